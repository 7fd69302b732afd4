import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import { setImmediate as endOfTurn } from "node:timers/promises"
import type { Open } from "../../src/session/MessageFilter.ts"
import * as Certificates from "../support/Certificates.ts"
import * as HostServer from "../support/HostServer.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

/** A profile without an idle timeout, and one place. */
const OPTIONS = { version: "python", hyper_parameters: { max_clients: 1 }, websocket: { port: 0 } } as const

/** A server whose filter hangs, and what connects a client that has said hello. */
const start = Effect.fnUntraced(function* (transport: string, what: string) {
  const asked = yield* Queue.unbounded<void>()
  const hang = Effect.andThen(Queue.offer(asked, undefined), Effect.never)
  const messageFilter: Open = () => (what === "a client" ? hang : Effect.succeed(() => hang))
  const certificates = transport === "TLS" ? yield* Certificates.make : undefined
  // In which these are valid.
  yield* TestClock.setTime(Date.now())
  const tls = certificates && { cert: certificates.path("server.pem"), key: certificates.path("server-key.pem") }
  const { lines, relay } = yield* HostServer.relay({ ...OPTIONS, ...(tls && { tls }) }, { messageFilter })
  const come = Effect.gen(function* () {
    if (transport === "WebSocket") {
      const client = yield* WebSocketClient.connect(relay.webSocketUrl!)
      client.send("hello")
      return client
    }
    const ca = certificates && { tls: { ca: certificates.read("ca.pem") } }
    const client = yield* TcpClient.connect(relay.address.port, ca)
    client.send("hello\n")
    return client
  })
  return { asked: Queue.take(asked), come, lines }
})

describe.each(["a client", "a line"])("a message filter that does not answer for %s", (what) => {
  it.effect.each(Certificates.hasOpenssl ? ["TCP", "TLS", "WebSocket"] : ["TCP", "WebSocket"])(
    "keeps the place of a client that has gone for ten minutes only, over %s",
    Effect.fnUntraced(function* (transport) {
      const { asked, come, lines } = yield* start(transport, what)
      const gone = yield* come
      yield* asked
      // The end of a TLS connection is noticed: Node.js reads ahead. One that falls silent is not.
      if (transport !== "TLS") gone.socket.destroy()
      yield* TestClock.adjust("9 minutes")
      const said = () => lines.filter((line) => line.includes("did not answer"))
      assert.deepStrictEqual(said(), [])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(said(), [
        `WARNING ${gone.address} disconnected: the message filter did not answer (0 clients)`
      ])
      // What there is to send it has a limit of its own.
      yield* Effect.promise(() => endOfTurn())
      yield* TestClock.adjust("10 seconds")
      // There is one place.
      yield* come
      yield* asked
    })
  )
})
