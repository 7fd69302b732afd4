import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"

/** Those that print an answer and end. All that they print goes through `commands/Output`. */
const COMMANDS = ["schema", "check", "check --json", "init new.json", "--help", "--version", "--completions bash"]

/** Runs the program with its standard streams as the shell redirects them. */
const run = Effect.fnUntraced(function* (command: string, after: string, before = "") {
  const cwd = yield* Directory.make()
  const script = `${before} "$0" "$1" ${command} ${after}`
  const program = yield* Cli.start(["-c", script, process.execPath, Cli.PROGRAM], { node: "sh", program: "-e", cwd })
  return { ...(yield* program.exit), output: program.output(), cwd }
})

describe.skipIf(!existsSync("/dev/full"))("the output of a command", () => {
  it.live.each([
    ...COMMANDS.map((command) => [command, "> /dev/full", "ENOSPC"]),
    ["schema", "1< /", "EBADF"]
  ] as const)("that cannot be written makes it fail, and say so: %s %s", ([command, redirection, reason]) =>
    Effect.gen(function* () {
      const { code, output } = yield* run(command!, redirection!)
      assert.strictEqual(code, 1)
      assert.match(output, new RegExp(`^error: cannot write to standard output: ${reason}: .*\n$`))
    })
  )

  // One of this project and one of Effect.
  it.live.each(["schema", "--help"])("that the reader does not want makes it end quietly: %s", (command) =>
    Effect.gen(function* () {
      const { output } = yield* run(command, '; echo "code $?" >&2; } | true', "{")
      assert.strictEqual(output, "code 0\n")
    })
  )

  it.live("goes nowhere when it is closed, and on to the end of a file", () =>
    Effect.gen(function* () {
      assert.deepInclude(yield* run("schema", ">&-"), { code: 0, output: "" })
      const { cwd } = yield* run("schema", ">> file; echo end >> file")
      assert.strictEqual(readFileSync(join(cwd, "file"), "utf8"), `${readFileSync("server.schema.json", "utf8")}end\n`)
    })
  )

  it.live("that only half fits is a failure", () =>
    Effect.gen(function* () {
      const { code, output } = yield* run("schema", "> file", 'trap "" XFSZ; ulimit -f 2;')
      assert.strictEqual(code, 1)
      assert.match(output, /^error: cannot write to standard output: EFBIG: .*\n$/)
    })
  )
})
