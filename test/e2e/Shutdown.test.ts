import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { SOAK } from "../faults/form.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import { threadCounts } from "../support/threadCounts.ts"
import { OPEN } from "../support/Threads.ts"

const ROUNDS = SOAK ? 50 : 1

/** Connected before the signal comes, at least, of which the last have only just been. */
const CLIENTS = SOAK ? 100 : 50

/** No outgoing connection takes a port of this address by chance before another server does. */
const HOST = "127.0.0.77"

/** Connecting at the same time. */
const AT_ONCE = 16

interface Visitor {
  received: string
  readonly closed: Promise<void>
}

/** Connects clients, each of which speaks at once, without a pause; done when they are enough. Others go on connecting until `isOver`. */
const crowd = (port: number, isOver: () => boolean) =>
  new Promise<ReadonlyArray<Visitor>>((resolve) => {
    const visitors: Array<Visitor> = []
    const connect = () => {
      if (isOver()) return
      const socket = Net.connect(port, HOST)
      socket.setEncoding("utf8").on("error", () => {})
      socket.once("connect", () => {
        socket.write("hello\n")
        const visitor: Visitor = { received: "", closed: new Promise((close) => socket.once("close", () => close())) }
        socket.on("data", (text: string) => (visitor.received += text))
        visitors.push(visitor)
        if (visitors.length === CLIENTS) resolve(visitors.slice())
        connect()
      })
    }
    for (let i = 0; i < AT_ONCE; i++) connect()
  })

describe.each(threadCounts)("the program with %i thread(s)", (worker_threads) => {
  it.live(
    "tells every client that was connected when a signal came, while others connect and speak, and leaves the port free",
    () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "server.json": { hyper_parameters: { worker_threads, ...OPEN } } })
        for (let round = 0; round < ROUNDS; round++) {
          const server = yield* Cli.listening(["--host", HOST], { cwd })
          let isOver = false
          const visitors = yield* Effect.promise(() => crowd(server.port, () => isOver))
          server.process.kill((round + worker_threads) % 2 === 0 ? "SIGINT" : "SIGTERM")
          isOver = true
          yield* Effect.promise(() => Promise.all(visitors.map(({ closed }) => closed)))
          const untold = visitors.filter(({ received }) => !received.includes("Warning: Server is shutting down.\n"))
          assert.strictEqual(untold.length, 0, `round ${round + 1}: ${untold.length} of ${visitors.length} not told`)
          assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
          yield* Effect.callback<void>((resume) => {
            const next = Net.createServer().on("error", (error) => resume(Effect.die(error)))
            next.listen(server.port, HOST, () => next.close(() => resume(Effect.void)))
          })
        }
      })
  )
})
