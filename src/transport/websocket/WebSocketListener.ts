import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../../config/ServerConfig.ts"
import { background } from "../../internal/background.ts"
import { monotonicMillis } from "../../internal/monotonicClock.ts"
import { repeatEvery } from "../../internal/repeatEvery.ts"
import { formatAddress } from "../../net/IpAddress.ts"
import type { ConnectionGate } from "../../session/ConnectionGate.ts"
import type { ListenError } from "../../session/Listener.ts"
import { ReservedDescriptors } from "../ReservedDescriptors.ts"
import { accept, type Options } from "../TcpListener.ts"
import { type TlsError, TlsIdentity } from "../tls/TlsIdentity.ts"
import { UpgradeRequests } from "./UpgradeRequests.ts"
import { WebSocketConnection } from "./WebSocketConnection.ts"
import * as Frames from "./WebSocketFrames.ts"
import * as Handshake from "./WebSocketHandshake.ts"

/** The listener for WebSocket clients: a transport beside the `Listener`. */
export class WebSocketListener extends Context.Service<
  WebSocketListener,
  {
    /**
     * Listens like `Listener.listen`.
     *
     * @returns the URL for clients, with the bound port if the configured one is 0; `undefined` if it does not listen
     */
    readonly listen: (gate: ConnectionGate) => Effect.Effect<string | undefined, ListenError, Scope.Scope>
  }
>()("summoner-server/WebSocketListener") {}

/** No WebSocket clients. */
export const layerNone: Layer.Layer<WebSocketListener> = Layer.succeed(WebSocketListener, {
  listen: () => Effect.undefined
})

/** Listens as the `websocket` group of the configuration says, with the TLS identity it is given; without a port, not at all. */
export const layerNoDeps: Layer.Layer<WebSocketListener, never, ServerConfig | TlsIdentity> = Layer.effect(
  WebSocketListener,
  Effect.gen(function* () {
    const config = yield* ServerConfig
    const tls = yield* TlsIdentity
    const reservedDescriptors = yield* ReservedDescriptors
    const { port } = config.websocket
    return {
      listen: (gate) => (port === null ? Effect.undefined : listenOn({ config, tls, gate, reservedDescriptors }, port))
    }
  })
)

/** The same, with TLS where it is configured. */
export const layer: Layer.Layer<WebSocketListener, TlsError, ServerConfig> = layerNoDeps.pipe(
  Layer.provide(TlsIdentity.layer)
)

const listenOn = Effect.fnUntraced(function* (
  options: Pick<Options, "config" | "tls" | "gate" | "reservedDescriptors">,
  port: number
): Effect.fn.Return<string, ListenError, Scope.Scope> {
  const { config, gate, tls } = options
  const { websocket } = config
  const requests = yield* UpgradeRequests.make
  const clock = yield* Clock.Clock
  const connections = new Set<WebSocketConnection>()

  const receive: Options["receive"] = (socket, client, { enter, fork, refuse, wait }) =>
    wait(socket, client.ip, requests.read(socket), (begun) => {
      // The client left while the request was read.
      if (socket.destroyed) return
      const rejection = Handshake.rejection(begun, websocket)
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
    })
  const at = { host: websocket.host ?? config.host, port }
  const bound = yield* accept({
    ...options,
    at,
    key: "websocket.port",
    transport: "websocket",
    isShakingHands: true,
    receive
  })

  const ping = Effect.sync(() => {
    const now = monotonicMillis(clock)
    for (const connection of connections) connection.pingUnsafe(now)
  })
  yield* background(
    "WebSocket clients are no longer pinged",
    repeatEvery(() => 1, ping)
  )
  const scheme = tls.currentUnsafe() === undefined ? "ws" : "wss"
  return `${scheme}://${formatAddress(bound.host, bound.port)}${websocket.path}`
})
