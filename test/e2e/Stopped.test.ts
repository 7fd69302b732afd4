import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

const TIMEOUT_SECS = 5

describe.skipIf(process.platform === "win32").each(threadCounts)("the program with %i thread(s)", (worker_threads) => {
  it.live("that was stopped for longer than the idle timeout reads what came meanwhile before it judges", () =>
    Effect.gen(function* () {
      const hyper_parameters = { client_timeout_secs: TIMEOUT_SECS, timeout_check_interval_secs: 1, worker_threads }
      const cwd = yield* Directory.make({ "server.json": { hyper_parameters } })
      const server = yield* Cli.listening([], { cwd })
      const a = yield* TcpClient.connect(server.port)
      const b = yield* TcpClient.connect(server.port)
      yield* TcpClient.settled(b, a)
      server.process.kill("SIGSTOP")
      a.send("while stopped\n")
      b.send("while stopped, too\n")
      // The one wait that no event can replace: the process must be stopped for longer than the timeout.
      yield* Effect.sleep(`${TIMEOUT_SECS + 2} seconds`)
      server.process.kill("SIGCONT")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "while stopped"))
      assert.strictEqual(yield* a.line, TcpClient.envelope(b, "while stopped, too"))
    })
  )
})
