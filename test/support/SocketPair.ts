import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as Net from "node:net"
import { join } from "node:path"
import * as Directory from "./Directory.ts"

/**
 * The two ends of a connection: that of the server, paused, and the client's. It is a Unix domain socket: once that is full it stays full
 * until the client reads, whereas TCP goes on to make its buffers larger.
 */
export const make = Effect.gen(function* () {
  const path = join(yield* Directory.make(), "socket")
  const server = Net.createServer({ pauseOnConnect: true, allowHalfOpen: true })
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
  server.listen(path)
  yield* Effect.promise(() => once(server, "listening"))
  const accepted = once(server, "connection") as Promise<[Net.Socket]>
  const client = Net.connect(path)
  const [socket] = yield* Effect.promise(() => accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => [client, socket].map((end) => end.destroy())))
  return { client, socket }
})
