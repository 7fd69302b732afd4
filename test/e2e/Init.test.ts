import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { init } from "../../src/commands/init.ts"
import { presetNames, starterOf } from "../../src/commands/presets.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"

/** Runs `init` in a directory, with a standard input that is no terminal. */
const runInPipe = Effect.fnUntraced(function* (cwd: string) {
  yield* Commands.streams
  const { code, stderr } = yield* Commands.line(["init"], { cwd })
  return { code, stderr }
}, Effect.scoped)

/** `init` on a terminal, which answers each question as soon as it is asked. */
const initOnTerminal = (
  cwd: string,
  args: string,
  ...dialogue: ReadonlyArray<readonly [question: string, answer: string]>
) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn("script", ["-qec", `${process.execPath} ${Cli.PROGRAM} init ${args}`, "/dev/null"], {
      cwd
    })
    let output = ""
    let answered = 0
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      const [question, answer] = dialogue[answered] ?? []
      if (question === undefined || !output.includes(question)) return
      answered++
      child.stdin.write(answer!)
    })
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill())
  })

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe("init", () => {
  it.live("does not overwrite where nobody can be asked", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": "mine" })
      const stderr = "error: server.json already exists; --force overwrites it\n"
      assert.deepStrictEqual(yield* runInPipe(cwd), { code: 1, stderr })
      assert.strictEqual(read(cwd, "server.json"), "mine")
      assert.isFalse(existsSync(join(cwd, "server.schema.json")))
    })
  )

  it.live("changes nothing, and asks nothing, when run again", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      yield* Commands.run(init, [], { cwd })
      const before = read(cwd, "server.json")
      assert.strictEqual((yield* runInPipe(cwd)).code, 0)
      assert.strictEqual(read(cwd, "server.json"), before)
      writeFileSync(join(cwd, "server.schema.json"), "mine")
      const refused = yield* runInPipe(cwd)
      assert.strictEqual(refused.stderr, "error: server.schema.json already exists; --force overwrites it\n")
    })
  )

  const canAsk = existsSync("/usr/bin/script")
  const skipped = canAsk ? "" : " (skipped: no /usr/bin/script)"
  const QUESTION = "What is the server for?"
  const OVERWRITE = "Overwrite?"
  it.live.skipIf(!canAsk)(`asks on a terminal what the server is for, and takes another by arrow keys${skipped}`, () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { code, output } = yield* initOnTerminal(cwd, "", [QUESTION, "\u001b[B\u001b[B\r"])
      assert.strictEqual(code, 0, output)
      assert.deepStrictEqual(JSON.parse(read(cwd, "server.json")), starterOf(presetNames[2]!, "server.schema.json"))
    })
  )

  it.live.skipIf(!canAsk)(
    `asks on a terminal what the server is for, takes the first by Enter, asks before it overwrites, and heeds yes${skipped}`,
    () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "server.json": "mine" })
        const { code, output } = yield* initOnTerminal(cwd, "", [QUESTION, "\r"], [OVERWRITE, "y"])
        assert.strictEqual(code, 0, output)
        assert.match(output, /Wrote server\.json/)
        assert.deepStrictEqual(JSON.parse(read(cwd, "server.json")), starterOf(presetNames[0]!, "server.schema.json"))
      })
  )

  it.live.skipIf(!canAsk)(`writes nothing if Ctrl-C answers what the server is for${skipped}`, () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { code, output } = yield* initOnTerminal(cwd, "", [QUESTION, "\u0003"])
      assert.strictEqual(code, 1)
      assert.match(output, /error: nothing was written/)
      assert.deepStrictEqual(readdirSync(cwd), [])
    })
  )

  const answers = [
    ["no", "n"],
    ["Ctrl-C", "\u0003"]
  ] as const
  for (const [name, answer] of answers) {
    it.live.skipIf(!canAsk)(`asks on a terminal before it overwrites, and heeds ${name}${skipped}`, () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "server.json": "mine" })
        const program = yield* initOnTerminal(cwd, "--preset chat", [OVERWRITE, answer])
        assert.strictEqual(program.code, 1)
        assert.match(program.output, /error: nothing was written/)
        assert.strictEqual(read(cwd, "server.json"), "mine")
      })
    )
  }
})
