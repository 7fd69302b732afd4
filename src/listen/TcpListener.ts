import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readFileSync } from "node:fs"
import * as Net from "node:net"
import { devNull } from "node:os"
import { type Door, FULL, type Refusal } from "../relay/Door.ts"
import type { Incident } from "../relay/Incidents.ts"
import { formatAddress } from "../relay/ipAddress.ts"
import { ADMIN_CONNECTIONS, type BoundAddress, ListenError, Listener } from "../relay/Listener.ts"
import { ServerConfig } from "../ServerConfig.ts"
import { AcceptQueue } from "./AcceptQueue.ts"
import * as Address from "./Address.ts"
import * as AddressFilter from "./AddressFilter.ts"
import * as Arrival from "./Arrival.ts"
import { Lobby } from "./Lobby.ts"
import { SharedPort } from "./SharedPort.ts"
import { type Peer, TcpConnection } from "./TcpConnection.ts"
import * as TlsHandshake from "./TlsHandshake.ts"
import { type TlsError, TlsIdentity } from "./TlsIdentity.ts"
import { turnAway } from "./turnAway.ts"

export type { Peer } from "./TcpConnection.ts"

/** Bytes of one client that Node reads ahead, and of one write that it takes before it says to wait. */
const HIGH_WATER_MARK = 65_536

/** Idle time after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE_MILLIS = 60_000

/** Refused connections that are told so at the same time. In a flood, the others are dropped unheard. */
const REFUSALS_AT_ONCE = 64

/** How long a refused client may take to close its side, in milliseconds. */
const REFUSAL_LINGER_MILLIS = 250

/** File descriptors that clients may not take: for log files, the event loop, and whatever the host program has open. */
const RESERVED_DESCRIPTORS = 32

/** Time between two looks at whether there are descriptors left, in milliseconds. */
const DESCRIPTOR_CHECK_MILLIS = 1000

/** Descriptors that must be free before listening again: it takes one itself, and each client one. */
const SPARE_DESCRIPTORS = 8

/** Connections that may be about to say whose they are, or to shake hands; of few descriptors, a quarter of them. */
const LOBBY_PLACES = 1024

/** Listens on the configured host and port, with TLS where it is configured. Fails if its files are of no use (contract, section 1; seed, "Operational model"). */
export const layer: Layer.Layer<Listener, TlsError, ServerConfig> = Layer.effect(
  Listener,
  Effect.gen(function* () {
    const config = yield* ServerConfig
    const tls = yield* TlsIdentity
    return Listener.of({ listen: (door) => listenOn(config, tls, door) })
  })
).pipe(Layer.provide(TlsIdentity.layer))

const listenOn = Effect.fnUntraced(function* (
  config: ServerConfig["Service"],
  tls: TlsIdentity["Service"],
  door: Door
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const onTls = (ip: string) => door.refusedUnsafe(ip, "TLS on the plain-text port")
  const receive: Options["receive"] = (socket, client, { enter, fork, refuse }) => {
    const refusal = enter(client)
    if (refusal !== undefined) return refuse(socket, client.ip, refusal.incident, refusal.notice)
    fork(door.session(new TcpConnection(socket, client, onTls)))
  }
  const bound = yield* accept({ config, tls, door, at: config, isShakingHands: false, receive })
  if (!(yield* SharedPort)) yield* announceCapacity(config, door.maxClientsUnsafe())
  return bound
})

/**
 * Says for how many clients there are file descriptors, if for fewer than may come.
 *
 * @param processes how many share the port
 */
export const announceCapacity = (config: ServerConfig["Service"], maxClients: number, processes = 1) =>
  Effect.suspend(() => {
    const { clientPlaces, descriptors } = capacity(config)
    if (processes * clientPlaces >= maxClients) return Effect.void
    const who = processes === 1 ? "this process" : `each of ${processes} processes`
    return Effect.logInfo(
      `room for ${processes * clientPlaces} clients only: ${who} may open ${descriptors} files (ulimit -n)`
    )
  })

/** What accepts connections for a transport. */
export interface Options {
  readonly config: ServerConfig["Service"]
  readonly tls: TlsIdentity["Service"]
  readonly door: Door
  /** Where. */
  readonly at: BoundAddress
  /** Whether the transport lets connections wait for a handshake of its own. */
  readonly isShakingHands: boolean
  /** Begins with a connection that may become a client. It is paused, has its TLS, and its PROXY header has been read. */
  readonly receive: (socket: Net.Socket, client: Peer, reception: Reception) => void
}

/** What a transport may have done for it. */
export interface Reception {
  /** As `Door.enterUnsafe`, and while the process has file descriptors for clients. */
  readonly enter: (client: Peer) => Refusal | undefined
  /** Counts a refusal, sends `farewell`, and closes. */
  readonly refuse: (socket: Net.Socket, ip: string, incident: Incident, farewell: string | Uint8Array) => void
  /** Has a connection wait for that handshake, bounded as all are that have not arrived yet. */
  readonly wait: <A>(
    socket: Net.Socket,
    ip: string,
    handshake: Effect.Effect<A, Incident | "gone">,
    proceed: (shaken: A) => void
  ) => void
  /** Runs what never fails, a session, until the listener ends. */
  readonly fork: (session: Effect.Effect<void>) => void
}

/** Listens for a transport over TCP, with all that such transports have in common. */
export const accept = Effect.fnUntraced(function* ({
  at,
  config,
  door,
  isShakingHands,
  receive,
  tls
}: Options): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const { listen_backlog } = config.hyper_parameters
  const isShared = yield* SharedPort
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const acceptErrors = yield* Queue.sliding<NodeJS.ErrnoException>(1)
  let refusing = 0

  const refuse: Reception["refuse"] = (socket, ip, incident, farewell) => {
    door.refusedUnsafe(ip, incident)
    if (refusing >= REFUSALS_AT_ONCE) return turnAway(socket, incident)
    refusing++
    // Read, and given a moment: closing under bytes that it has sent already would cost the client its notice.
    const cut = setTimeout(() => socket.destroy(), REFUSAL_LINGER_MILLIS)
    socket
      .on("error", () => {})
      .on("close", () => {
        clearTimeout(cut)
        refusing--
      })
    socket.resume().end(farewell)
  }

  const server = Net.createServer({
    allowHalfOpen: true,
    pauseOnConnect: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MILLIS,
    highWaterMark: HIGH_WATER_MARK
  })
  // Node closes connections above this number before it makes a socket of them: the cheapest way to survive a flood, and
  // the one that keeps descriptors free for the clients that are connected.
  const { clientPlaces, places, refusalPlaces } = capacity(config)
  const lobby = new Lobby(Math.min(LOBBY_PLACES, Math.max(1, Math.floor(places / 4))))
  const isFull = () => door.clientsUnsafe() + Lobby.sizeOfAll() >= clientPlaces
  const lobbyPlaces = () =>
    isShakingHands || tls.currentUnsafe() !== undefined || config.hyper_parameters.trusted_proxies.length > 0
      ? lobby.capacity
      : 0
  // A connection that a process of several does not take is handed to the next one, and on, for ever: there, the door refuses it.
  if (!isShared) {
    Object.defineProperty(server, "maxConnections", {
      get: () => Math.min(door.maxClientsUnsafe() + refusalPlaces + lobbyPlaces(), places)
    })
  }
  const filter = AddressFilter.make(() => config.hyper_parameters)
  const guards = { door, filter, lobby, handshake: TlsHandshake.latest(tls.currentUnsafe) }
  server.on("drop", (connection) => door.refusedUnsafe(connection?.remoteAddress ?? "?", "dropped, too many at once"))
  const reject = (socket: Net.Socket, ip: string, incident: Incident) => {
    door.refusedUnsafe(ip, incident)
    turnAway(socket, incident)
  }
  const wait = (socket: Net.Socket, ip: string, arrival: Effect.Effect<void>) => {
    if (isFull() && !lobby.displaceOldest()) return reject(socket, ip, FULL.incident)
    fork(arrival)
  }
  const reception: Reception = {
    enter: (client) => (isFull() ? FULL : door.enterUnsafe(client)),
    refuse,
    wait: (socket, ip, handshake, proceed) =>
      wait(
        socket,
        ip,
        Arrival.inLobby(guards, socket, () => ip, handshake, proceed)
      ),
    fork
  }
  const enter = (socket: Net.Socket, client: Peer) => receive(socket, client, reception)
  const meet = (socket: Net.Socket) => {
    const peer = Address.ofPeer(socket)
    // Gone already.
    if (peer === undefined) return void socket.destroy()
    const standing = Arrival.standingOf(guards, peer.ip)
    if (standing === "client") return enter(socket, peer)
    if (standing === "not allowed") return reject(socket, peer.ip, standing)
    wait(socket, peer.ip, Arrival.arrive(guards, socket, peer, enter))
  }
  const accepted = new AcceptQueue(meet)
  server.on("connection", (socket) => accepted.push(socket))

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      accepted.drain()
      server.close()
    })
  )
  const bound = yield* listen(server, at, listen_backlog, isShared)
  server.on("error", (error) => Queue.offerUnsafe(acceptErrors, error))

  // The one way to stop accepting that Node offers is to stop listening. Clients already connected are not touched.
  const recover = Effect.fnUntraced(function* () {
    while (true) {
      const error = yield* Queue.take(acceptErrors)
      const { accept_error_backoff_ms } = config.hyper_parameters
      yield* Effect.logWarning(
        `cannot accept connections: ${error.code ?? error.message}; trying again every ${accept_error_backoff_ms} ms`
      )
      server.close()
      yield* Effect.sleep(accept_error_backoff_ms).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            const error = outOfDescriptors(SPARE_DESCRIPTORS)
            return error === undefined ? listen(server, bound, listen_backlog, isShared) : Effect.fail(error)
          })
        ),
        Effect.eventually
      )
      yield* Queue.clear(acceptErrors)
      yield* Effect.logInfo(`accepting connections again on ${formatAddress(bound.host, bound.port)}`)
    }
  })
  // libuv keeps a failed accept to itself and tries again at once, on a whole core, for as long as there is somebody to
  // accept and no descriptor for it. So ask.
  const watchDescriptors = Effect.sync(() => {
    const error = server.listening ? outOfDescriptors(1) : undefined
    if (error !== undefined) Queue.offerUnsafe(acceptErrors, error)
  }).pipe(Effect.delay(DESCRIPTOR_CHECK_MILLIS), Effect.forever)
  for (const watch of [recover(), watchDescriptors]) {
    yield* watch.pipe(
      Effect.tapCause((cause) => Effect.logError("the listener no longer watches itself", cause)),
      Effect.forkScoped
    )
  }
  return bound
})

const listen = (server: Net.Server, { host, port }: BoundAddress, backlog: number, isShared: boolean) =>
  Effect.callback<BoundAddress, ListenError>((resume) => {
    const onError = (error: NodeJS.ErrnoException) => {
      server.off("listening", onListening)
      resume(Effect.fail(new ListenError({ host, port, code: error.code ?? error.message })))
    }
    const onListening = () => {
      server.off("error", onError)
      const bound = server.address() as Net.AddressInfo
      resume(Effect.succeed({ host: bound.address, port: bound.port }))
    }
    server.once("error", onError).once("listening", onListening)
    server.listen({ host, port, backlog, exclusive: !isShared })
  })

/** The error that opening a file gives, if this process or the system has fewer than `count` descriptors left. */
const outOfDescriptors = (count: number): NodeJS.ErrnoException | undefined => {
  const opened: Array<number> = []
  try {
    while (opened.length < count) opened.push(openSync(devNull, "r"))
    return undefined
  } catch (cause) {
    const error = cause as NodeJS.ErrnoException
    return error.code === "EMFILE" || error.code === "ENFILE" ? error : undefined
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}

/** For how many connections this process has file descriptors. */
const capacity = ({ admin, websocket }: ServerConfig["Service"]) => {
  const descriptors = descriptorLimit()
  const reserved = RESERVED_DESCRIPTORS + (admin.port === null ? 0 : ADMIN_CONNECTIONS)
  const places = Math.max(1, descriptors - reserved)
  const refusalPlaces = Math.min(REFUSALS_AT_ONCE, Math.floor(places / 4))
  // Each transport refuses for itself.
  const refusing = websocket.port === null ? refusalPlaces : 2 * refusalPlaces
  return { descriptors, places, refusalPlaces, clientPlaces: places - refusing }
}

/** How many files this process may have open, where the system tells. */
const descriptorLimit = (): number => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))
    return limit === null ? Infinity : Number(limit[1])
  } catch {
    return Infinity
  }
}
