import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Net from "node:net"
import * as Ports from "./Ports.ts"

/** A server that does what the test says, with the connections it gets. */
export const fakeServer = Effect.gen(function* () {
  const connections = yield* Queue.unbounded<Net.Socket>()
  const port = yield* Ports.lasting
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        socket.on("error", () => {})
        Queue.offerUnsafe(connections, socket)
      })
      server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const accepted = Effect.acquireRelease(Queue.take(connections), (socket) => Effect.sync(() => socket.destroy()))
  return {
    port: String(port),
    accepted,
    /** Nobody listens any more. */
    close: Effect.sync(() => void server.close()),
    /** Listens again. */
    reopen: Effect.sync(() => void server.listen(port, "127.0.0.1"))
  }
})

/** All that the client sends, from now to its end. */
export const received = (socket: Net.Socket) =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part
    })
    socket.once("end", () => resume(Effect.succeed(text))).resume()
  })

/** Waits for the next bytes of the client, in however many pieces: they must be these. */
export const gets = (socket: Net.Socket, expected: string) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const onData = (bytes: Buffer | string) => {
      text += String(bytes)
      if (text.length < expected.length) return
      socket.off("data", onData).pause()
      resume(Effect.succeed(text))
    }
    socket.on("data", onData).resume()
    return Effect.sync(() => void socket.off("data", onData))
  }).pipe(Effect.map((text) => assert.strictEqual(text, expected)))

export const ended = (socket: Net.Socket) =>
  Effect.callback<void>((resume) => void socket.once("end", () => resume(Effect.void)).resume())
