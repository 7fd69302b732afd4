import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { join } from "node:path"
import { inspect } from "node:util"
import { check } from "../../src/commands/check.ts"
import { groupOf, nameOf, only, valueAt } from "../../src/config/ConfigPath.ts"
import { ConfigReload } from "../../src/config/ConfigReload.ts"
import * as ConfigSources from "../../src/config/ConfigSources.ts"
import type { ConfigError } from "../../src/config/ConfigError.ts"
import { jsonSyntaxError } from "../../src/config/JsonSyntaxError.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { HIDDEN, withoutCredentials } from "../../src/config/redact.ts"
import { decode, defaults, keys, merge, settableKeys, withoutSecrets } from "../../src/config/ServerConfig.ts"
import { SOAK } from "../faults/form.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"

/** Nothing that any of these texts contains may be shown to anybody. */
const SECRET = "hunter2-of-16-characters"
const OTHER = "Zx81LmNo4v"
const PASSWORD = "hunter2:with/slash"

const secretPaths = keys()
  .filter(({ isSecret }) => isSecret)
  .map(({ path }) => path)

/** A value with a secret in it that the key takes. */
const valid = (path: string, secret: string): string =>
  path === "cluster.nats.servers" ? `nats://${secret}@127.0.0.1:9` : secret

const assertHidden = (text: string) => {
  for (const secret of [SECRET, OTHER, "hunter2", "slash"]) assert.notInclude(text, secret)
}

/** What is said of a configuration that cannot be used, and of one that can. */
const saidOf = Effect.match({
  onFailure: (error: ConfigError) => `${error.message}\n${JSON.stringify(error)}\n${String(error)}`,
  onSuccess: ({ description, origins, values, warnings }: ConfigSources.Effective) =>
    JSON.stringify([description, [...origins], warnings, withoutSecrets(values)])
})

const saidOfSources = (sources: Partial<ConfigSources.Sources>) =>
  saidOf(ConfigSources.load({ file: undefined, environment: {}, flags: [], ...sources }))

/** Ways to get a secret wrong; `good` is fine. */
const written = (path: string) => {
  const group = groupOf(path)
  return {
    good: only(path, valid(path, SECRET)),
    "with spaces": only(path, `${SECRET} ${OTHER}`),
    "in a list": only(path, [valid(path, SECRET)]),
    "in an object": only(path, { value: SECRET, [path]: OTHER }),
    "under a name nearly right": only(`${path}x`, SECRET),
    "under another name": only(`${group}.password`, SECRET),
    "outside its group": { [nameOf(path)]: SECRET },
    "instead of its group": only(group, SECRET),
    "in a list instead of its group": only(group, [only("token", SECRET)]),
    "in a list instead of everything": [only(path, valid(path, SECRET))],
    "beside another mistake": merge(only(path, valid(path, SECRET)), { port: "x", admin: { host: "", port: -1 } })
  }
}

it("there are secrets to hide", () => {
  assert.include(secretPaths, "admin.token")
})

describe.each(secretPaths)("the value of %s is not shown", (path) => {
  for (const [how, input] of Object.entries(written(path))) {
    it.effect(`written in a file: ${how}`, () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "server.json": input })
        const said = yield* saidOfSources({ file: join(directory, "server.json") })
        assertHidden(said)
        assert.notInclude(said, "defect")
      })
    )

    it.effect(`given by a program: ${how}`, () =>
      Effect.gen(function* () {
        const said = yield* Effect.match(decode(input, "configDict"), {
          onFailure: (error) => `${error.message} ${JSON.stringify(error)} ${error.stack}`,
          onSuccess: ({ values }) => JSON.stringify(withoutSecrets(values))
        })
        assertHidden(said)
      })
    )
  }

  it.effect("given by the environment, under its name and under others", () =>
    Effect.gen(function* () {
      const variable = ConfigSources.variableOf(path)
      for (const name of [variable, `${variable}X`, variable.slice(0, -1), ConfigSources.variableOf(groupOf(path))]) {
        const good = valid(path, SECRET)
        for (const value of [good, `${SECRET} ${OTHER}`, JSON.stringify([good]), JSON.stringify({ x: SECRET })]) {
          assertHidden(yield* saidOfSources({ environment: { [name]: value } }))
        }
      }
    })
  )

  it.effect("given by a flag, should one ever be made", () =>
    Effect.gen(function* () {
      const good = valid(path, SECRET)
      for (const value of [good, `${SECRET} ${OTHER}`, [good]]) {
        assertHidden(yield* saidOfSources({ flags: [{ name: "--secret", path, value }] }))
      }
    })
  )

  it("in a text that is no JSON because of it", () => {
    const [group, name] = [groupOf(path), nameOf(path)]
    const before = `{${JSON.stringify(group)}: {${JSON.stringify(name)}`
    for (const rest of [
      `: ${SECRET}}}`,
      `: '${SECRET}'}}`,
      `: "${SECRET}}}`,
      `: "${SECRET}\n"}}`,
      `: "${SECRET}\\q"}}`,
      `: "x"${SECRET}"}}`,
      ` ${SECRET}}}`,
      ` "${SECRET}"}}`,
      `: "${SECRET}" "${OTHER}"}}`,
      `: "${SECRET}"}} ${OTHER}`,
      `: 12${SECRET}}}`
    ]) {
      const { message } = jsonSyntaxError("server.json", before + rest)
      assertHidden(message)
      assert.include(message, "line ")
    }
  })

  it.effect("when it is changed by a reload", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const initial = (yield* decode(only(path, valid(path, SECRET)), "test")).values
      const { changes } = yield* Effect.gen(function* () {
        const { apply } = yield* ConfigReload
        const changes = []
        for (const next of [only(path, valid(path, OTHER)), {}, only(path, valid(path, SECRET))]) {
          changes.push(yield* apply((yield* decode(next, "test")).values))
        }
        return { changes }
      }).pipe(Effect.provide(ConfigReload.layer(initial).pipe(Layer.provideMerge(RelayLogger.layerTest(lines)))))
      assert.lengthOf(lines, 3)
      assert.include(lines[0], `${path}: "${HIDDEN}" -> "${HIDDEN}"`)
      assertHidden(JSON.stringify([lines, changes]))
    })
  )
})

/** A configuration with a secret in every key that may have one. */
const everySecret = (value: (path: string) => string): object =>
  secretPaths.reduce<object>((config, path) => merge(config, only(path, value(path))), {})

describe("no secret of any key is shown", () => {
  it.effect.each(["text", "JSON"])("by check, as %s", (format) =>
    Effect.gen(function* () {
      const otlp = { endpoint: `https://user:${SECRET}@collector:4318` }
      const cwd = yield* Directory.make({ "server.json": { ...everySecret((path) => valid(path, SECRET)), otlp } })
      const { error, stdout: shown } = yield* Commands.run(check, format === "JSON" ? ["--json"] : [], {
        cwd,
        env: { SUMMONER_LOGGER_LOG_LEVEL: "INFO" }
      })
      assert.isUndefined(error)
      assert.include(shown, `https://${HIDDEN}@collector:4318`)
      for (const path of secretPaths) {
        const value =
          format === "JSON"
            ? String(valueAt(JSON.parse(shown).values, path))
            : new RegExp(`^${path} .*$`, "m").exec(shown)
        assert.include(String(value), HIDDEN, path)
      }
      assertHidden(shown)
    })
  )
})

describe("passwords in URLs are not shown", () => {
  it.each([
    [`http://user:${PASSWORD}@collector:4318`, `http://${HIDDEN}@collector:4318`],
    [`nats://${SECRET}@10.0.0.1:4222`, `nats://${HIDDEN}@10.0.0.1:4222`],
    [`nats://a:${SECRET}@one,nats://b:${OTHER}@two`, `nats://${HIDDEN}@two`],
    [`https://u:p@${SECRET}@host/v1`, `https://${HIDDEN}@host/v1`],
    [`https://host/v1?api_key=${SECRET}#x`, `https://host/v1?${HIDDEN}`],
    [`user:${PASSWORD}@collector:4318`, `${HIDDEN}@collector:4318`],
    ["http://collector:4318/v1/logs", "http://collector:4318/v1/logs"],
    ["127.0.0.1", "127.0.0.1"],
    ["ops@example.org", "ops@example.org"],
    ["%Y-%m-%d %H:%M:%S @ %Z", "%Y-%m-%d %H:%M:%S @ %Z"]
  ])("%s", (text, shown) => {
    assert.strictEqual(withoutCredentials(text), shown)
  })

  it.effect("by the reports of mistakes, nor by a reload", () =>
    Effect.gen(function* () {
      const good = { otlp: { endpoint: `https://user:${SECRET}@collector:4318` } }
      for (const endpoint of [
        `ftp://u:${PASSWORD}@h`,
        `http://u:${PASSWORD}@h`,
        `u:${PASSWORD}@h`,
        [good.otlp.endpoint]
      ]) {
        assertHidden(yield* saidOfSources({ flags: [{ name: "--x", path: "otlp.endpoint", value: endpoint }] }))
      }
      const lines: Array<string> = []
      const { restart } = yield* Effect.flatMap(ConfigReload, ({ apply }) => apply(defaults)).pipe(
        Effect.provide(
          ConfigReload.layer((yield* decode(good, "test")).values).pipe(
            Layer.provideMerge(RelayLogger.layerTest(lines))
          )
        )
      )
      assert.include(lines[0], "otlp.endpoint")
      assertHidden(JSON.stringify([lines, restart]))
    })
  )
})

it.effect("a configuration that is printed as it is shows no token", () =>
  Effect.gen(function* () {
    const { values } = yield* decode({ admin: { token: SECRET } }, "test")
    for (const text of [
      JSON.stringify(values),
      inspect(values, { depth: 9, showHidden: true }),
      `${values.admin.token}`
    ]) {
      assertHidden(text)
    }
  })
)

it.effect("a variable with a token of digits is no number, nor one with null a text", () =>
  Effect.gen(function* () {
    const tokenOf = (text: string) =>
      Effect.map(
        ConfigSources.load({ file: undefined, environment: { SUMMONER_ADMIN_TOKEN: text }, flags: [] }),
        ({ values: { admin } }) => (admin.token === null ? null : Redacted.value(admin.token))
      )
    for (const text of ["123456", "1e5", "true", '"quoted"', "[]"]) assert.strictEqual(yield* tokenOf(text), text)
    assert.strictEqual(yield* tokenOf("null"), null)
  })
)

describe.skipIf(process.platform === "win32")("a secret in a file that everybody can read", () => {
  const warnings = (content: object, mode: number, env: Record<string, string> = {}) =>
    Effect.map(Commands.checked(content, { env, mode }), ({ warnings }) =>
      warnings.filter((warning) => !warning.includes("threshold"))
    )

  it.effect("is warned of by check, and only then", () =>
    Effect.gen(function* () {
      const secret = { admin: { token: SECRET } }
      assert.deepStrictEqual(yield* warnings(secret, 0o644), [
        "server.json: every user of this machine can read admin.token in it: chmod o-r server.json"
      ])
      assert.lengthOf(yield* warnings({ otlp: { endpoint: `http://u:${SECRET}@h` } }, 0o604), 1)
      assert.deepStrictEqual(yield* warnings(secret, 0o640), [])
      assert.deepStrictEqual(yield* warnings({ admin: { token: null } }, 0o644), [])
      assert.deepStrictEqual(yield* warnings({}, 0o644, { SUMMONER_ADMIN_TOKEN: SECRET }), [])
    })
  )
})

it("a configuration shown on a terminal cannot control it", () => {
  const { message } = jsonSyntaxError("server.json", "{\u009b31m")
  // oxlint-disable-next-line eslint/no-control-regex
  assert.notMatch(message, /[\u0080-\u009f]/)
})

it.effect("a configuration that is nested without end is a mistake like others", () =>
  Effect.gen(function* () {
    const deep = JSON.parse(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`)
    const error = yield* Effect.flip(decode(deep, "test"))
    assert.include(error.message, 'unknown key "a"')
  })
)

it("a configuration laid over another changes nothing but it", () => {
  const merged = merge({}, JSON.parse('{"__proto__": {"port": 1}, "constructor": {"prototype": {"x": 1}}}'))
  assert.deepStrictEqual(Object.keys(merged), ["__proto__", "constructor"])
  assert.notProperty({}, "port")
  assert.notProperty({}, "x")
  assert.isUndefined((merged as { readonly port?: unknown }).port)
})

/** Texts that somebody puts in the wrong place. */
const MISPLACED: Readonly<Record<string, string>> = {
  "a URL with a password": `https://user:${SECRET}@host/`,
  "a URL with a token in its query": `https://host/?api_key=${SECRET}`,
  "an account before a host": `user:${SECRET}@host`,
  "a private key": `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----`,
  "a private key on one line": `-----BEGIN PRIVATE KEY-----${SECRET}-----END PRIVATE KEY-----`
}

/** Texts with characters that nobody sees, or that a terminal obeys. */
const INVISIBLE = {
  "an escape of a terminal": "a\u001b[31mb",
  "a line break": "a\nerror: b",
  "a bidirectional override": "a\u202eb",
  "a zero-width space": "127.0.0.1\u200b",
  "a no-break space": "\u00a0127.0.0.1",
  "a byte order mark": "\ufeff8888",
  "a tag": "a\u{e0041}b",
  "a filler that looks like a space": "a\u3164b",
  "half a character": "a\ud800b"
}

const isShownRaw = /(?![ \n])[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}]/u

/** Formats may hold anything: escapes colour the log. */
const isFormat = (path: string) => path.endsWith("_format")

type Form = (path: string, text: string) => Effect.Effect<string>

/** Ways to give a key a text. */
const FORMS: readonly [Form, ...ReadonlyArray<Form>] = [
  (path, text) => saidOfFile(path, text),
  (path, text) => saidOfFile(path, [text]),
  (path, text) => saidOfFile(path, { [text]: text }),
  (path, text) => {
    const variable = ConfigSources.variableOf(path)
    const environment = { [variable]: text, [`${variable}${text}`]: "1" }
    return saidOf(ConfigSources.withEnvironment("a program", {}, environment))
  },
  (path, text) => saidOfSources({ flags: [{ name: "--flag", path, value: text }] })
]

const saidOfFile = (path: string, value: unknown) =>
  saidOf(ConfigSources.withEnvironment("server.json", only(path, value), {}))

describe.each(settableKeys().map(({ path }, i) => ({ path, i })))("in $path", ({ path, i }) => {
  /** Every text in a file and in one of the other forms, another at each key; with `SOAK=1` in every form. */
  const withEach = Effect.fnUntraced(function* (
    texts: Readonly<Record<string, string>>,
    judge: (said: string, what: string, text: string) => void
  ) {
    for (const [j, [what, text]] of Object.entries(texts).entries()) {
      const [first, ...others] = FORMS
      const forms = SOAK ? FORMS : [first, others[(i + j) % others.length]!]
      for (const form of forms) judge(yield* form(path, text), what, text)
    }
  })

  it.effect("no secret is shown that belongs elsewhere", () =>
    withEach(MISPLACED, (said, what) => assert.notInclude(said, SECRET, what))
  )

  it.effect("an invisible character is refused, and shown as an escape, in a file, a variable and a flag", () =>
    withEach(INVISIBLE, (said, what, text) => {
      if (isFormat(path)) return
      assert.notMatch(said, isShownRaw, what)
      assert.match(said, /: expected .*found /, `${what}: ${text}`)
    })
  )
})
