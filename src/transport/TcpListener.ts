import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { descriptorLimit } from "../internal/descriptors.ts"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { peerOf } from "../net/IpAddress.ts"
import { type ConnectionGate, FULL, type Refusal } from "../session/ConnectionGate.ts"
import type { Incident } from "../session/Incidents.ts"
import { type BoundAddress, type ListenError, Listener } from "../session/Listener.ts"
import { AcceptQueue } from "./AcceptQueue.ts"
import * as AddressFilter from "./AddressFilter.ts"
import { closeRefused } from "./closeRefused.ts"
import { discard } from "./discard.ts"
import * as Handshakes from "./Handshakes.ts"
import { SERVER_OPTIONS } from "./ListeningServer.ts"
import { keep, TOO_MANY } from "./NetServer.ts"
import { PendingConnections } from "./PendingConnections.ts"
import { PortSharing } from "./PortSharing.ts"
import type { ConnectionRefused, PeerGone } from "./Refusal.ts"
import { ReservedDescriptors } from "./ReservedDescriptors.ts"
import { TcpConnection } from "./TcpConnection.ts"
import { TLS_ON_PLAIN_PORT } from "./tls/ClientHello.ts"
import * as TlsHandshake from "./tls/TlsHandshake.ts"
import { type TlsError, TlsIdentity } from "./tls/TlsIdentity.ts"

export { ConnectionRefused, PeerGone } from "./Refusal.ts"

/** Refused connections that are told so at the same time. In a flood, the others are dropped unheard. */
const REFUSALS_AT_ONCE = 64

/** Connections that may be about to say whose they are, or to shake hands; of few descriptors, a quarter of them. */
const MAX_PENDING = 1024

/** How long a refused client may take to close its side, in milliseconds. */
export const REFUSAL_LINGER_MILLIS = 250

/**
 * Listens on the configured host and port, with the TLS that it is given.
 *
 * @param options `refusalLingerMillis`: how long a refused client may take to close its side
 */
export const layerWith = ({
  refusalLingerMillis
}: {
  readonly refusalLingerMillis: number
}): Layer.Layer<Listener, never, ServerConfig | TlsIdentity> =>
  Layer.effect(
    Listener,
    Effect.gen(function* () {
      const config = yield* ServerConfig
      const tls = yield* TlsIdentity
      return Listener.of({ listen: (gate) => listenOn({ config, tls, gate, refusalLingerMillis }) })
    })
  )

/** The same with 250 ms for refused clients. */
export const layerNoDeps = layerWith({ refusalLingerMillis: REFUSAL_LINGER_MILLIS })

/** Listens with TLS where it is configured (docs/protocol.md). Fails if the TLS files are of no use. */
export const layer: Layer.Layer<Listener, TlsError, ServerConfig> = Layer.provide(layerNoDeps, TlsIdentity.layer)

const listenOn = Effect.fnUntraced(function* (
  options: Pick<Options, "config" | "tls" | "gate" | "refusalLingerMillis">
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const { config, gate } = options
  const onTls = (ip: string) => gate.refusedUnsafe(ip, TLS_ON_PLAIN_PORT)
  const receive: Options["receive"] = (socket, client, { enter, fork, refuse }) => {
    const refusal = enter(client)
    if (refusal !== undefined) return refuse(socket, client.ip, refusal.incident, refusal.notice)
    fork(gate.session(new TcpConnection(socket, client, onTls)))
  }
  const bound = yield* accept({ ...options, at: config, key: "port", transport: "tcp", isShakingHands: false, receive })
  if ((yield* PortSharing) === undefined) yield* announceCapacity(config, gate.maxClientsUnsafe())
  return bound
})

/** Says for how many clients there are file descriptors, if for fewer than may come. */
export const announceCapacity = (config: ServerConfig["Service"], maxClients: number) =>
  Effect.flatMap(capacity(config), ({ clientPlaces, descriptors }) => {
    if (clientPlaces >= maxClients) return Effect.void
    return Effect.logInfo(
      `room for ${clientPlaces} clients only: this process may open ${descriptors} files (ulimit -n)`
    )
  })

/** What accepts connections for a transport. */
export interface Options {
  readonly config: ServerConfig["Service"]
  readonly tls: TlsIdentity["Service"]
  readonly gate: ConnectionGate
  /** Where. */
  readonly at: BoundAddress
  /** What configures the port: `port`, `websocket.port`. */
  readonly key: string
  /** `tcp`, `websocket` */
  readonly transport: string
  /** Whether the transport lets connections wait for a handshake of its own. */
  readonly isShakingHands: boolean
  /** How long a refused client may take to close its side, in milliseconds; 250 by default. */
  readonly refusalLingerMillis?: number
  /** Begins with a connection that may become a client. It is unread, has its TLS, and its PROXY header has been read. */
  readonly receive: (socket: Net.Socket, client: ClientIdentity, reception: Reception) => void
}

/** What a transport may have done for it. */
export interface Reception {
  /** As `ConnectionGate.enterUnsafe`, and while the process has file descriptors for clients. */
  readonly enter: (client: ClientIdentity) => Refusal | undefined
  /** Counts a refusal, sends `farewell`, and closes. */
  readonly refuse: (socket: Net.Socket, ip: string, incident: Incident, farewell: string | Uint8Array) => void
  /** Has a connection wait for that handshake, bounded as all are that have not arrived yet. */
  readonly wait: <A>(
    socket: Net.Socket,
    ip: string,
    handshake: Effect.Effect<A, ConnectionRefused | PeerGone>,
    proceed: (shaken: A) => void
  ) => void
  /** Runs what never fails, a session, until the listener ends. */
  readonly fork: (session: Effect.Effect<void>) => void
}

/** What transports over any server have in common. */
export interface CommonReception extends Pick<Reception, "enter" | "fork" | "refuse"> {
  /** Whether the process has no file descriptors for another client. */
  readonly isFull: () => boolean
  /** Clients of other threads. */
  readonly othersUnsafe: () => number
}

/** What a transport may have done for connections of any server: everything but `wait`. */
export const receptionOf = Effect.fnUntraced(function* ({
  config,
  gate,
  refusalLingerMillis = REFUSAL_LINGER_MILLIS
}: Pick<Options, "config" | "gate" | "refusalLingerMillis">): Effect.fn.Return<CommonReception, never, Scope.Scope> {
  const { othersUnsafe = () => 0 } = (yield* PortSharing) ?? {}
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const { clientPlaces } = yield* capacity(config)
  const isFull = () => gate.clientsUnsafe() + othersUnsafe() + PendingConnections.sizeOfAll() >= clientPlaces
  let refusing = 0
  const refuse: Reception["refuse"] = (socket, ip, incident, farewell) => {
    gate.refusedUnsafe(ip, incident)
    if (refusing >= REFUSALS_AT_ONCE) return closeRefused(socket, incident)
    refusing++
    // Read, and given a moment: closing under bytes that it has sent already would cost the client its notice.
    const deadline = setTimeout(() => socket.destroy(), refusalLingerMillis)
    socket
      .on("error", () => {})
      .on("close", () => {
        clearTimeout(deadline)
        refusing--
      })
    discard(socket)
    socket.end(farewell)
  }
  const enter: Reception["enter"] = (client) => (isFull() ? FULL : gate.enterUnsafe(client))
  return { enter, fork, isFull, othersUnsafe, refuse }
})

/** Listens for a transport over TCP, with all that such transports have in common. */
export const accept = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const { at, config, gate, isShakingHands, key, receive, tls, transport } = options
  const { enter, fork, isFull, othersUnsafe, refuse } = yield* receptionOf(options)

  const { places, refusalPlaces } = yield* capacity(config)
  const pending = new PendingConnections(Math.min(MAX_PENDING, Math.max(1, Math.floor(places / 4))))
  const pendingPlaces = () =>
    isShakingHands || tls.currentUnsafe() !== undefined || config.hyper_parameters.trusted_proxies.length > 0
      ? pending.capacity
      : 0
  const filter = AddressFilter.make(() => config.hyper_parameters)
  const handshake = TlsHandshake.latest(tls.currentUnsafe)
  const guards = { gate, filter, pending, handshake }
  const refuseWithoutNotice = (socket: Net.Socket, ip: string, incident: Incident) => {
    gate.refusedUnsafe(ip, incident)
    closeRefused(socket, incident)
  }
  const wait = (socket: Net.Socket, ip: string, arrival: Effect.Effect<void>) => {
    if (isFull() && !pending.displaceOldest()) return refuseWithoutNotice(socket, ip, FULL.incident)
    fork(arrival)
  }
  const reception: Reception = {
    enter,
    refuse,
    wait: (socket, ip, arrival, proceed) =>
      wait(
        socket,
        ip,
        Handshakes.whilePending(guards, socket, () => ip, arrival, proceed)
      ),
    fork
  }
  const receiveClient = (socket: Net.Socket, client: ClientIdentity) => receive(socket, client, reception)
  const onAccepted = (socket: Net.Socket) => {
    const address = peerOf(socket)
    // Gone already.
    if (address === undefined) return void socket.destroy()
    const peer: ClientIdentity = { ...address, transport }
    const isProxy = filter.isTrustedProxy(peer.ip)
    // A load balancer need not be in `allow`: its clients do.
    if (isProxy ? filter.isDenied(peer.ip) : !filter.isAllowed(peer.ip)) {
      return refuseWithoutNotice(socket, peer.ip, AddressFilter.NOT_ALLOWED)
    }
    if (!isProxy && handshake() === undefined) return receiveClient(socket, peer)
    wait(socket, peer.ip, Handshakes.arrive(guards, socket, peer, receiveClient))
  }
  const accepted = new AcceptQueue(onAccepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => accepted.drain()))
  if (gate.opened !== undefined) {
    accepted.hold()
    yield* Effect.forkScoped(Effect.map(gate.opened, () => accepted.release()))
  }
  const begun = (yield* PortSharing)?.listening[key]
  const server = begun?.server ?? Net.createServer(SERVER_OPTIONS)
  server.on("connection", (socket) => accepted.push(socket))
  for (const socket of begun?.take() ?? []) accepted.push(socket)
  // Node closes connections above this number before it makes a socket of them: the cheapest way to survive a flood, and
  // the one that keeps descriptors free for the clients that are connected.
  Object.defineProperty(server, "maxConnections", {
    get: () => Math.min(gate.maxClientsUnsafe() + refusalPlaces + pendingPlaces(), places - othersUnsafe())
  })
  server.on("drop", (connection) => gate.refusedUnsafe(connection?.remoteAddress ?? "?", TOO_MANY))
  return yield* keep(server, at, key, config.hyper_parameters)
})

/** For how many connections this process has file descriptors. */
const capacity = ({ websocket }: ServerConfig["Service"]) =>
  Effect.map(ReservedDescriptors, (reserved) => {
    const descriptors = descriptorLimit()
    const places = Math.max(1, descriptors - reserved)
    const refusalPlaces = Math.min(REFUSALS_AT_ONCE, Math.floor(places / 4))
    // Each transport refuses for itself.
    const refusing = websocket.port === null ? refusalPlaces : 2 * refusalPlaces
    return { descriptors, places, refusalPlaces, clientPlaces: places - refusing }
  })
