import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { background } from "../../internal/background.ts"
import { monotonicMillis, repeatEvery } from "../../internal/time.ts"
import type { ClientIdentity } from "../../net/ClientIdentity.ts"
import type { ConnectionGate } from "../../session/ConnectionGate.ts"
import type { Reception } from "../TcpListener.ts"
import type { Begun } from "./UpgradeRequests.ts"
import { WebSocketConnection } from "./WebSocketConnection.ts"
import * as Frames from "./WebSocketFrames.ts"
import * as Handshake from "./WebSocketHandshake.ts"

/** Begins with the first request of a client: refuses it, or accepts the handshake and runs the session. `socket`: unread, without listeners. */
export type Begin = (
  socket: Net.Socket,
  client: ClientIdentity,
  begun: Begun,
  rules: Handshake.Rules,
  reception: Pick<Reception, "enter" | "fork" | "refuse">
) => void

/** The sessions of WebSocket clients, which are pinged until the scope ends. */
export const make = Effect.fnUntraced(function* (gate: ConnectionGate) {
  const clock = yield* Clock.Clock
  const connections = new Set<WebSocketConnection>()

  const begin: Begin = (socket, client, begun, rules, { enter, fork, refuse }) => {
    // The client left while the request was read.
    if (socket.destroyed) return
    const rejection = Handshake.rejection(begun, rules)
    if (rejection !== undefined) {
      begun.request?.resume()
      return refuse(socket, client.ip, rejection.incident, Handshake.refusal(rejection))
    }
    const acceptance = Handshake.acceptance(begun.request!)
    const refusal = enter(client)
    if (refusal !== undefined) {
      // Pages cannot see the response to a failed handshake, so the notice follows an accepted one.
      const notice = Frames.ofLines(Buffer.from(refusal.notice))
      const farewell = [Buffer.from(acceptance), notice, Frames.close(Frames.TRY_AGAIN_LATER)]
      return refuse(socket, client.ip, refusal.incident, Buffer.concat(farewell))
    }
    socket.write(acceptance)
    const connection = new WebSocketConnection(socket, client, monotonicMillis(clock))
    connections.add(connection)
    const leave = Effect.sync(() => connections.delete(connection))
    fork(Effect.ensuring(gate.session(connection), leave))
  }

  const ping = Effect.sync(() => {
    const now = monotonicMillis(clock)
    for (const connection of connections) connection.pingUnsafe(now)
  })
  yield* background(
    "WebSocket clients are no longer pinged",
    repeatEvery(() => 1, ping)
  )
  return begin
})
