import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"

const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, cwd: string) {
  const program = yield* Cli.start(args, { cwd })
  const { code } = yield* program.exit
  return { code, output: program.output() }
})

/** `init` on a terminal, which answers as soon as it is asked. */
const initOnTerminal = (cwd: string, answer: string) =>
  Effect.callback<{ readonly code: number | null; readonly output: string }>((resume) => {
    const child = spawn("script", ["-qec", `${process.execPath} ${Cli.PROGRAM} init`, "/dev/null"], { cwd })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (!output.includes("Overwrite?") && (output + text).includes("Overwrite?")) child.stdin.write(answer)
      output += text
    })
    child.on("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => child.kill())
  })

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe.concurrent("init", () => {
  it.live("writes a configuration that passes check without a remark, and that the server starts with", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { code, output } = yield* run(["init"], cwd)
      assert.strictEqual(code, 0)
      assert.match(output, /^Wrote server\.json, and server\.schema\.json/)

      const config = JSON.parse(read(cwd, "server.json"))
      assert.containsAllKeys(config, ["$schema", "host", "port", "version", "logger", "hyper_parameters"])
      assert.strictEqual(read(cwd, config.$schema), readFileSync("server.schema.json", "utf8"))

      const checked = yield* run(["check", "--json"], cwd)
      const { notes, origins, valid, warnings } = JSON.parse(checked.output)
      assert.deepStrictEqual({ notes, valid, warnings }, { notes: [], valid: true, warnings: [] })
      assert.isAbove(Object.values(origins).filter((origin) => origin === "file").length, 7)

      const server = yield* Cli.listening([], { cwd })
      assert.match(server.output(), /configuration: server\.json/)
    })
  )

  it.live("writes where it is told, with directories", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { code, output } = yield* run(["init", "etc/relay/prod.json"], cwd)
      assert.strictEqual(code, 0)
      assert.include(output, "summoner-server --config etc/relay/prod.json")
      assert.sameMembers(readdirSync(join(cwd, "etc/relay")), ["prod.json", "server.schema.json"])
    })
  )

  it.live("does not overwrite where nobody can be asked, unless forced", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": "mine" })
      const refused = yield* run(["init"], cwd)
      assert.deepStrictEqual(refused, {
        code: 1,
        output: "error: server.json already exists; --force overwrites it\n"
      })
      assert.strictEqual(read(cwd, "server.json"), "mine")
      assert.isFalse(existsSync(join(cwd, "server.schema.json")))
      assert.strictEqual((yield* run(["init", "--force"], cwd)).code, 0)
      assert.notStrictEqual(read(cwd, "server.json"), "mine")
    })
  )

  it.live("changes nothing, and asks nothing, when run again", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      yield* run(["init"], cwd)
      assert.strictEqual((yield* run(["init"], cwd)).code, 0)
      writeFileSync(join(cwd, "server.schema.json"), "mine")
      const refused = yield* run(["init"], cwd)
      assert.strictEqual(refused.output, "error: server.schema.json already exists; --force overwrites it\n")
    })
  )

  it.live("says in one line why it cannot write", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ taken: "a file" })
      const { code, output } = yield* run(["init", "taken/server.json"], cwd)
      assert.strictEqual(code, 1)
      assert.match(output, /^error: cannot write taken\/server\.schema\.json: .*\n$/)
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

describe.concurrent("the command line", () => {
  it.live("suggests the command that was meant", () =>
    Effect.gen(function* () {
      const { code, output } = yield* run(["chekc"], process.cwd())
      assert.strictEqual(code, 1)
      assert.match(output, /Unknown subcommand "chekc"[^]*Did you mean[^]*check/)
    })
  )

  it.live("lists the commands, and says that the server needs none", () =>
    Effect.gen(function* () {
      const { output } = yield* run(["--help"], process.cwd())
      assert.include(output, "summoner-server [subcommand] [flags]")
      for (const name of ["init", "check", "schema"]) assert.match(output, new RegExp(`^ {2}${name} `, "m"))
    })
  )
})
