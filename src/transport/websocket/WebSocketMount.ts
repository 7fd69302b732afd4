/** WebSocket clients on an HTTP server that the program has already (docs/embedding.md). */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import { ServerConfig } from "../../config/CurrentConfig.ts"
import { Slot } from "../../internal/Slot.ts"
import { peerOf } from "../../net/IpAddress.ts"
import type { ConnectionGate } from "../../session/ConnectionGate.ts"
import { ListenError } from "../../session/Listener.ts"
import * as AddressFilter from "../AddressFilter.ts"
import { closeRefused } from "../closeRefused.ts"
import { discard } from "../discard.ts"
import { receptionOf, REFUSAL_LINGER_MILLIS } from "../TcpListener.ts"
import * as CloseNotify from "../tls/CloseNotify.ts"
import { isTls } from "../tls/isTls.ts"
import { subjectOf } from "../tls/TlsIdentity.ts"
import * as Handshake from "./WebSocketHandshake.ts"
import { WebSocketListener } from "./WebSocketListener.ts"
import * as WebSocketSessions from "./WebSocketSessions.ts"

/** A `WebSocketListener` without a port: the program hands it the requests. */
export interface WebSocketMount {
  /** The listener of one server. It refuses clients with 503 before that server is open, and once it has shut down. */
  readonly layer: Layer.Layer<WebSocketListener, never, ServerConfig>
  /**
   * Takes over a connection: call it for those `upgrade` events of an `http.Server` or `https.Server` that are meant for the relay. Which
   * path that is, and who may connect, the program decides before; `websocket.origins`, `allow`, `deny` and the limits of the server apply.
   *
   * @param socket the event's
   * @param head the event's: bytes behind the request
   */
  readonly handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void
  /**
   * The handler of a route of Effect's `HttpRouter`, served by `NodeHttpServer`: `HttpRouter.add("GET", "/chat", mount.route)`. What a
   * client sends before it is accepted, which RFC 6455 forbids, is lost.
   */
  readonly route: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>
}

/** Idle time after which the kernel asks whether the peer is still there, in milliseconds: as for clients of the server's own ports. */
const KEEP_ALIVE_MILLIS = 60_000

/** Module level, because it stays on the socket and must not retain a closure. */
const ignore = () => {}

const NOT_RUNNING: Handshake.Rejection = {
  incident: Handshake.NO_HANDSHAKE,
  status: "503 Service Unavailable",
  text: "The relay does not run.",
  headers: {}
}

/** A mount for the WebSocket clients of one server. */
export const make = (): WebSocketMount => {
  const receiver = new Slot<(request: IncomingMessage) => void>()
  const opened = new Slot<true>()

  const listen = Effect.fnUntraced(function* (
    config: ServerConfig["Service"],
    gate: ConnectionGate
  ): Effect.fn.Return<undefined, ListenError, Scope.Scope> {
    const { host, port } = config.websocket
    if (port !== null) {
      const code = "WebSocket clients come by the HTTP server of the program"
      return yield* new ListenError({ host: host ?? config.host, port, code, key: "websocket.port" })
    }
    if (receiver.current !== undefined) return yield* Effect.die(new Error("two servers share one WebSocketMount"))
    const reception = yield* receptionOf({ config, gate })
    const filter = AddressFilter.make(() => config.hyper_parameters)
    const begin = yield* WebSocketSessions.make(gate)
    yield* receiver.hold((request) => {
      const { socket } = request
      const address = peerOf(socket)
      // Gone already.
      if (address === undefined) return void socket.destroy()
      if (!filter.isAllowed(address.ip)) {
        gate.refusedUnsafe(address.ip, AddressFilter.NOT_ALLOWED)
        return closeRefused(socket, AddressFilter.NOT_ALLOWED)
      }
      const client = { ...address, transport: "websocket", subject: subjectBehind(socket) }
      const rules = { path: undefined, origins: config.websocket.origins, hasPage: false }
      begin(socket, client, { request, isUpgrade: true }, rules, reception)
    })
    if (gate.opened === undefined) yield* opened.hold(true)
    else yield* Effect.forkScoped(Effect.andThen(gate.opened, opened.hold(true)))
    return undefined
  })

  const layer = Layer.effect(
    WebSocketListener,
    Effect.map(ServerConfig, (config) => WebSocketListener.of({ listen: (gate) => listen(config, gate) }))
  )

  const handleUpgrade: WebSocketMount["handleUpgrade"] = (request, upgraded, head) => {
    const { socket } = request
    // Read only on demand, by the session.
    socket.pause()
    socket.on("error", ignore).setTimeout(0).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MILLIS)
    if (isTls(socket)) CloseNotify.watch(socket)
    // `upgraded` differs if the request has a body, for which it is refused.
    if (upgraded === socket && head.length > 0) socket.unshift(head)
    if (opened.current === true) return receiver.current!(request)
    request.resume()
    discard(socket)
    socket.end(Handshake.refusal(NOT_RUNNING))
    setTimeout(() => socket.destroy(), REFUSAL_LINGER_MILLIS)
  }

  const route = Effect.gen(function* () {
    // The program has loaded these.
    const [Request, Response, NodeRequest] = yield* Effect.promise(() =>
      Promise.all([
        import("effect/http/HttpServerRequest"),
        import("effect/http/HttpServerResponse"),
        import("@effect/platform-node/NodeHttpServerRequest")
      ])
    )
    const request = yield* Request.HttpServerRequest
    const source = NodeRequest.toIncomingMessage(request) as IncomingMessage
    if (!isUpgrade(source)) {
      const { headers, status, text } = Handshake.rejection({ request: source, isUpgrade: false }, ANY)!
      return Response.text(`${text}\n`, { status: Number.parseInt(status, 10), headers })
    }
    // Ended without the socket, so that Effect sends no response.
    const response = NodeRequest.toServerResponse(request) as ServerResponse
    response.detachSocket(source.socket)
    response.end()
    handleUpgrade(source, source.socket, Buffer.alloc(0))
    return Response.empty({ status: 101 })
  })

  return { layer, handleUpgrade, route }
}

const ANY: Handshake.Rules = { path: undefined, origins: [], hasPage: false }

const isUpgrade = (request: IncomingMessage & { readonly upgrade?: boolean | null }): boolean =>
  request.upgrade === true

/** Subject of the client certificate that the program's `https.Server` has verified. */
const subjectBehind = (socket: Net.Socket): string | undefined => {
  if (!isTls(socket) || !socket.authorized) return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : subjectOf(certificate)
}
