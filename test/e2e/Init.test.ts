import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { init } from "../../src/commands/init.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"

/** Runs `init` in a directory, in a process of its own: whether it can ask depends on its standard input. */
const runAlone = Effect.fnUntraced(function* (cwd: string) {
  const program = yield* Cli.start(["init"], { cwd })
  const { code } = yield* program.exit
  return { code, output: program.output() }
})

/** `init` on a terminal, which answers as soon as it is asked. */
const initOnTerminal = (cwd: string, answer: string) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn("script", ["-qec", `${process.execPath} ${Cli.PROGRAM} init --preset chat`, "/dev/null"], {
      cwd
    })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (!output.includes("Overwrite?") && (output + text).includes("Overwrite?")) child.stdin.write(answer)
      output += text
    })
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill())
  })

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe("init", () => {
  it.live("does not overwrite where nobody can be asked", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": "mine" })
      const output = "error: server.json already exists; --force overwrites it\n"
      assert.deepStrictEqual(yield* runAlone(cwd), { code: 1, output })
      assert.strictEqual(read(cwd, "server.json"), "mine")
      assert.isFalse(existsSync(join(cwd, "server.schema.json")))
    })
  )

  it.live("changes nothing, and asks nothing, when run again", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      yield* Commands.run(init, [], { cwd })
      const before = read(cwd, "server.json")
      assert.strictEqual((yield* runAlone(cwd)).code, 0)
      assert.strictEqual(read(cwd, "server.json"), before)
      writeFileSync(join(cwd, "server.schema.json"), "mine")
      const refused = yield* runAlone(cwd)
      assert.strictEqual(refused.output, "error: server.schema.json already exists; --force overwrites it\n")
    })
  )

  const canAsk = existsSync("/usr/bin/script")
  const answers = [
    ["yes", "y", 0, /Wrote server\.json/],
    ["no", "n", 1, /error: nothing was written/],
    ["Ctrl-C", "\u0003", 1, /error: nothing was written/]
  ] as const
  for (const [name, answer, code, said] of answers) {
    it.live.skipIf(!canAsk)(
      `asks on a terminal before it overwrites, and heeds ${name}${canAsk ? "" : " (skipped: no /usr/bin/script)"}`,
      () =>
        Effect.gen(function* () {
          const cwd = yield* Directory.make({ "server.json": "mine" })
          const program = yield* initOnTerminal(cwd, answer)
          assert.strictEqual(program.code, code)
          assert.match(program.output, said)
          assert.strictEqual(read(cwd, "server.json") === "mine", code === 1)
        })
    )
  }
})
