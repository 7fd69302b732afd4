import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../../config/CurrentConfig.ts"
import type { ConnectionGate } from "../../session/ConnectionGate.ts"
import type { ListenError } from "../../session/Listener.ts"
import { accept, type Options } from "../TcpListener.ts"
import { type TlsError, TlsIdentity } from "../tls/TlsIdentity.ts"
import * as UpgradeRequests from "./UpgradeRequests.ts"
import { webSocketUrl } from "./webSocketUrl.ts"
import * as Handshake from "./WebSocketHandshake.ts"
import * as WebSocketSessions from "./WebSocketSessions.ts"

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

/** Listens as the `websocket` group of the configuration says, with the TLS identity it is given; without a port, not at all. */
export const layerNoDeps: Layer.Layer<WebSocketListener, never, ServerConfig | TlsIdentity> = Layer.effect(
  WebSocketListener,
  Effect.gen(function* () {
    const config = yield* ServerConfig
    const tls = yield* TlsIdentity
    const { port } = config.websocket
    return {
      listen: (gate) => (port === null ? Effect.undefined : listenOn({ config, tls, gate }, port))
    }
  })
)

/** The same, with TLS where it is configured. */
export const layer: Layer.Layer<WebSocketListener, TlsError, ServerConfig> = layerNoDeps.pipe(
  Layer.provide(TlsIdentity.layer)
)

/** Loaded only by a server that serves it. */
const loadPage = Effect.flatMap(
  Effect.promise(() => import("./ChatPage.ts")),
  ({ load }) => load
)

const listenOn = Effect.fnUntraced(function* (
  options: Pick<Options, "config" | "tls" | "gate">,
  port: number
): Effect.fn.Return<string, ListenError, Scope.Scope> {
  const { config, gate, tls } = options
  const { websocket } = config
  const readRequest = yield* UpgradeRequests.make
  const servePage = websocket.page ? yield* loadPage : undefined
  const begin = yield* WebSocketSessions.make(gate)
  const rules = (): Handshake.Rules => ({ path: websocket.path, origins: websocket.origins, hasPage: websocket.page })
  const receive: Options["receive"] = (socket, client, reception) => {
    // The page is sent while the connection is pending, so that slow readers of it are bounded in number and time as handshakes are.
    const handshake = readRequest(socket).pipe(
      Effect.filterOrElse(
        (begun) => servePage === undefined || !Handshake.isForPage(begun, rules()),
        () => servePage!(socket)
      )
    )
    reception.wait(socket, client.ip, handshake, (begun) => begin(socket, client, begun, rules(), reception))
  }
  const at = { host: websocket.host ?? config.host, port }
  const bound = yield* accept({
    ...options,
    at,
    key: "websocket.port",
    transport: "websocket",
    isShakingHands: true,
    receive
  })
  return webSocketUrl(bound, websocket.path, tls.currentUnsafe() !== undefined)
})
