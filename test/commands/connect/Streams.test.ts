import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import * as Cli from "../../support/Cli.ts"
import * as Directory from "../../support/Directory.ts"
import * as Server from "../../support/Server.ts"
import { run } from "../../support/Tools.ts"
import * as TcpClient from "../../support/TcpClient.ts"

/** Runs `connect` in a shell, in which `C` is the command with the address of a server; `hello` is a client that has said hello by then. */
const shell = Effect.fnUntraced(function* (script: string) {
  const server = yield* Server.start()
  const cwd = yield* Directory.make({})
  const env = { ...process.env, C: `${process.execPath} ${Cli.PROGRAM} connect :${server.port}` }
  return yield* run("sh", ["-c", script], { cwd, env })
}, Effect.scoped)

describe.concurrent("connect with standard streams that are unlike others", () => {
  it.live.each([
    ["standard input is closed", "$C <&-", 0, ""],
    ["standard output is closed", "echo hi | $C >&-", 0, ""],
    ["standard error is closed", "$C --listen --retry 2>&- < /dev/null & sleep 0; kill $!", 0, ""],
    ["all of them are closed", "$C <&- >&- 2>&-", 0, ""],
    ["standard input is a FIFO", "mkfifo f; echo hi > f & $C < f", 0, ""],
    ["standard input is a directory", "$C < .", 1, "error: cannot read standard input: is a directory (EISDIR)\n"],
    ["standard input is for writing", "$C 0> f", 1, "error: cannot read standard input: EBADF\n"],
    [
      "standard output is a directory",
      "$C > /dev/null 1< .",
      1,
      "error: cannot write to standard output: is a directory (EISDIR)\n"
    ]
  ] as const)("exits as documented when %s", ([, script, code, stderr]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shell(script), { code, stdout: "", stderr })
    })
  )

  it.live("keeps its exit code when standard error takes nothing", () =>
    Effect.gen(function* () {
      for (const to of ["/dev/full", "&-"].filter((to) => to === "&-" || existsSync(to))) {
        const { code } = yield* run("sh", [
          "-c",
          `"$0" "$1" connect localhost:1 2>${to}`,
          process.execPath,
          Cli.PROGRAM
        ])
        assert.strictEqual(code, 2)
      }
    })
  )

  it.live.skipIf(!existsSync("/dev/full"))("exits with 1 when the disk behind standard output is full", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const client = yield* Cli.start([], {
        node: "/bin/sh",
        program: "-c",
        env: { C: `${process.execPath} ${Cli.PROGRAM} connect --listen :${server.port}` },
        setup: 'set -- sh -c "exec $C > /dev/full < /dev/null"'
      })
      yield* server.logged(/\(1 client\)/)
      const other = yield* TcpClient.connect(server.port)
      yield* server.logged(/\(2 clients\)/)
      other.send("hello\n")
      assert.strictEqual((yield* client.exit).code, 1)
      assert.include(client.output(), "error: cannot write to standard output: no space left on the device (ENOSPC)\n")
    })
  )

  it.live("ends quietly when the reader of the FIFO that is its standard output has gone", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const cwd = yield* Directory.make({})
      const env = { ...process.env, C: `${process.execPath} ${Cli.PROGRAM} connect --raw -l -q :${server.port}` }
      const ended = yield* Effect.forkChild(
        run("sh", ["-c", "mkfifo f; head -n 1 < f > first & $C > f < /dev/null"], { cwd, env }),
        { startImmediately: true }
      )
      yield* server.logged(/\(1 client\)/)
      const other = yield* TcpClient.connect(server.port)
      yield* server.logged(/\(2 clients\)/)
      // Until the writer notices.
      while (ended.pollUnsafe() === undefined) {
        other.send("hello\n")
        yield* Effect.sleep("20 millis")
      }
      const { code, stderr } = yield* Effect.flatten(Effect.sync(() => ended.pollUnsafe()!))
      assert.deepStrictEqual([code, stderr], [0, ""])
    })
  )
})
