import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"

/**
 * One of this project and one of Effect. All commands print by `Console.log`, of which their own tests take what they print, and
 * `commands/Output` writes that.
 */
const COMMANDS = ["schema", "--help"]

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

  it.live.each(COMMANDS)("that the reader does not want makes it end quietly: %s", (command) =>
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

  it.live("that does not fit on the disk costs nothing that was there", () =>
    Effect.gen(function* () {
      const error = /^error: cannot write server\.schema\.json: EFBIG: .*$/m
      const limited = 'trap "" XFSZ; ulimit -f 2;'
      const written = "echo mine > kept; ln kept server.json; echo my schema > server.schema.json;"
      const forced = yield* run("init --force", "|| code=$?; cat kept *.json; exit $code", `${written} ${limited}`)
      assert.strictEqual(forced.code, 1)
      assert.match(forced.output, error)
      assert.include(forced.output, "mine\nmine\nmy schema\n")
      const made = yield* run("init", "|| code=$?; echo left: *; exit $code", limited)
      assert.strictEqual(made.code, 1)
      assert.match(made.output, error)
      assert.include(made.output, "left: *\n")
    })
  )
})

/** Open, the second keeps what is in it. */
const FIFOS = "mkfifo silent full; exec 5<> full; head -c 65536 /dev/zero >&5"

/** Every command, and its exit code: most cannot do what they are told. One that cannot read its configuration fails as the server does. */
const ENDING = [
  ["--config missing.json", 1],
  ["init .", 1],
  ["connect localhost:1", 2],
  ["top 1", 2],
  ["schema", 0],
  ["check --config good.json", 0]
] as const

describe.skipIf(!existsSync("/dev/full"))("the exit code of a command", () => {
  it.live.each([
    // Of one that is closed, as of each of them, Node.js makes /dev/null.
    ["standard streams are all closed", "<&- >&- 2>&-"],
    ["standard input is a directory, and error output full", "< . 2> /dev/full"],
    ["standard input is a FIFO that nobody writes to, and error output one that is full", "<> silent 2<> full"]
  ])("is the same where %s", ([, redirections]) =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "good.json": {} })
      const commands = ENDING.map(
        ([command], i) => `{ code=0; "$0" "$1" ${command} ${redirections} || code=$?; echo $code > ${i}; } &`
      )
      const script = `${FIFOS}\n${commands.join("\n")}\nwait`
      const shell = yield* Cli.start(["-c", script, process.execPath, Cli.PROGRAM], { node: "sh", program: "-e", cwd })
      yield* shell.exit
      const codes = ENDING.map((_, i) => Number(readFileSync(join(cwd, String(i)), "utf8")))
      assert.deepStrictEqual(
        codes,
        ENDING.map(([, code]) => code)
      )
    })
  )
})

describe.skipIf(!existsSync("/dev/full"))("a server", () => {
  it.live("relays, logs to its file and ends in order whatever its standard streams are", () =>
    Effect.forEach(
      ["1< /", "<&- >&- 2>&-", "< . > /dev/full 2> /dev/full", "<> silent 1<> full 2<> full"],
      Effect.fnUntraced(function* (redirections) {
        const cwd = yield* Directory.make({
          "server.json": { logger: { enable_file_log: true }, hyper_parameters: { shutdown_grace_ms: 100 } }
        })
        const script = `${FIFOS}; exec "$0" "$1" --port 0 ${redirections}`
        const server = yield* Cli.start(["-c", script, process.execPath, Cli.PROGRAM], {
          node: "sh",
          program: "-e",
          cwd
        })
        const file = join(cwd, "MyServer.log")
        const port = () => existsSync(file) && /listening on \S*:(\d+)/.exec(readFileSync(file, "utf8"))?.[1]
        while (!port()) yield* Effect.sleep("50 millis")
        const [a, b] = [yield* TcpClient.connect(Number(port())), yield* TcpClient.connect(Number(port()))]
        yield* TcpClient.settled(a, b)
        server.process.kill("SIGTERM")
        assert.strictEqual((yield* server.exit).code, 0, redirections)
        assert.include(readFileSync(file, "utf8"), "shutdown complete")
      }),
      { concurrency: "unbounded", discard: true }
    )
  )
})
