import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ConfigError } from "../../../src/config/ConfigError.ts"
import { jsonSyntaxError } from "../../../src/config/JsonSyntaxError.ts"
import { decode, keys, Values, withoutSecrets } from "../../../src/config/ServerConfig.ts"
import * as assert from "node:assert/strict"
import type { Random } from "../Random.ts"
import type { Target } from "../Target.ts"

const encode = Schema.encodeSync(Values)

const decoded = (input: unknown) => Effect.runSync(Effect.result(decode(input, "fuzz")))

/** What nobody may see on a terminal but as an escape. */
const UNSAFE = /[^\P{Cc}\n]|[\p{Bidi_Control}\u2028\u2029]/u

const checkError = (error: unknown) => {
  assert.ok(error instanceof ConfigError)
  assert.ok(error.issues.length > 0)
  for (const { expected, found, path } of error.issues) {
    assert.ok(path !== "" && expected !== "" && found !== "", error.message)
    assert.ok(found.length < 100, found)
  }
  assert.doesNotMatch(error.message, UNSAFE)
  assert.equal(error.message.split("\n").length, error.issues.length + 1)
}

const checkPosition = (text: string, { issues }: ConfigError) => {
  const [, line, column] = /^line (\d+), column (\d+)$/.exec(issues[0]!.path) ?? assert.fail(issues[0]!.path)
  const lines = text.split(/\r\n|[\r\n]/)
  assert.ok(Number(line) >= 1 && Number(line) <= lines.length)
  assert.ok(Number(column) >= 1 && Number(column) <= lines[Number(line) - 1]!.length + 1)
}

const paths = keys().map(({ path }) => path.split("."))

const VALUES: ReadonlyArray<unknown> = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  2 ** 53,
  65_535,
  65_536,
  256,
  16_777_216,
  "",
  "x",
  "::1",
  "10.0.0.0/8",
  "rust",
  "python",
  "rust_v1",
  "DEBUG",
  "warn",
  "127.0.0.1",
  "0.0.0.0",
  "/tmp/x.pem",
  "http://h:1",
  "u:p@h",
  "\u009b",
  [],
  {},
  [1],
  [""],
  ["10.0.0.0/33"],
  { "": 1 },
  { __proto__: null },
  "optional",
  "disconnect"
]

type Json = { [name: string]: unknown }

/** Sets, removes or moves something in a JSON text. */
const reshape = (input: Buffer, random: Random): Buffer | undefined => {
  let root: unknown
  try {
    root = JSON.parse(input.toString("utf8"))
  } catch {
    return undefined
  }
  if (typeof root !== "object" || root === null) root = {}
  let group = root as Json
  const path = [...random.pick(paths)]
  const name = path.pop()!
  for (const inner of path) {
    if (typeof group[inner] !== "object" || group[inner] === null) group[inner] = {}
    group = group[inner] as Json
  }
  switch (random.below(4)) {
    case 0:
      delete group[name]
      break
    case 1:
      group[`${name}${random.pick(["", "s", "_", ".x", "\u202e", "\n"])}`] = random.pick(VALUES)
      break
    case 2:
      group[name] = [random.pick(VALUES), random.pick(VALUES)]
      break
    default:
      group[name] = random.pick(VALUES)
  }
  return Buffer.from(JSON.stringify(root))
}

/** The input: the text of a `server.json`. */
export const config: Target = {
  name: "config",
  dictionary: [
    ...paths.map((path) => JSON.stringify(path.at(-1))),
    '{"',
    '":',
    ",",
    "{}",
    "[]",
    "null",
    "true",
    "-0",
    "1e999",
    '"\\u0000"',
    "\\ud800",
    "//",
    "__proto__",
    "\u009b",
    "'"
  ],
  reshape,
  run: (bytes) => {
    const text = bytes.toString("utf8")
    let input: unknown
    try {
      input = JSON.parse(text)
    } catch {
      const error = jsonSyntaxError("fuzz", text)
      checkError(error)
      checkPosition(text, error)
      return
    }
    const first = decoded(input)
    if (Result.isFailure(first)) return checkError(first.failure)
    const { values } = first.success
    const again = decoded(JSON.parse(JSON.stringify(encode(values))))
    assert.ok(Result.isSuccess(again))
    assert.deepEqual(again.success, { values, warnings: [] })
    assert.deepEqual(Object.keys(withoutSecrets(values)), Object.keys(values))
  }
}
