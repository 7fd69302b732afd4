import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Net from "node:net"
import { listen } from "../../src/transport/ListeningServer.ts"
import { PortSharing } from "../../src/transport/PortSharing.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

const AT = { host: "127.0.0.1", port: 0 }

/** Listens, and counts whom it accepts. */
const listening = (backlog: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const begun = await listen(AT, backlog)
      const accepted: Array<Net.Socket> = []
      begun.server.on("connection", (socket: Net.Socket) => accepted.push(socket))
      return { begun, accepted, port: (begun.server.address() as Net.AddressInfo).port }
    }),
    ({ accepted, begun }) =>
      Effect.sync(() => {
        begun.server.close()
        for (const socket of accepted) socket.destroy()
      })
  )

describe.skipIf(process.platform !== "linux")("a server that listens before its code is loaded", () => {
  it.live("serves those who have come meanwhile, over TCP and WebSocket, and those who come later", () =>
    Effect.gen(function* () {
      const [tcp, webSocket] = [yield* listening(16), yield* listening(16)]
      const early = yield* TcpClient.connect(tcp.port)
      const shaking = yield* Effect.forkScoped(WebSocketClient.connect(`ws://127.0.0.1:${webSocket.port}/`))
      yield* Server.until(() => tcp.accepted.length + webSocket.accepted.length === 2)
      const { port } = yield* Server.start({ websocket: { port: 0 } }).pipe(
        Effect.provideService(PortSharing, {
          othersUnsafe: () => 0,
          listening: { port: tcp.begun, "websocket.port": webSocket.begun }
        })
      )
      assert.strictEqual(port, tcp.port)
      const shaken = yield* Fiber.join(shaking)
      const late = yield* TcpClient.connect(port)
      yield* TcpClient.settled(late, early)
      early.send("hello\n")
      const hello = TcpClient.envelope(early, "hello")
      assert.deepStrictEqual(yield* late.lines(1), [hello])
      yield* Effect.repeat(shaken.line, { until: (line) => line === hello })
      for (const { begun } of [tcp, webSocket]) assert.deepStrictEqual(begun.take(), [])
    })
  )

  it.live("holds no more connections than its backlog", () =>
    Effect.gen(function* () {
      const { begun, port } = yield* listening(1)
      const dropped = Effect.callback<void>((resume) => void begun.server.once("drop", () => resume(Effect.void)))
      yield* TcpClient.connect(port)
      yield* Effect.all([dropped, TcpClient.connect(port)], { concurrency: 2 })
      assert.lengthOf(begun.take(), 1)
    })
  )

  it.live("says why it cannot listen", () =>
    Effect.gen(function* () {
      const host = "192.0.2.1"
      const error = yield* Effect.flip(Effect.tryPromise({ try: () => listen({ host, port: 0 }, 1), catch: String }))
      assert.include(error, "EADDRNOTAVAIL")
    })
  )
})
