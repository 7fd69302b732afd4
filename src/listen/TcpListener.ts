import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readFileSync } from "node:fs"
import * as Net from "node:net"
import { devNull } from "node:os"
import { type Door, FULL, type Refusal } from "../relay/Door.ts"
import { formatAddress } from "../relay/ipAddress.ts"
import { type BoundAddress, ListenError, Listener } from "../relay/Listener.ts"
import { ServerConfig } from "../ServerConfig.ts"
import { AcceptQueue } from "./AcceptQueue.ts"
import * as Address from "./Address.ts"
import { TcpConnection } from "./TcpConnection.ts"

/** Bytes of one client that Node reads ahead, and of one write that it takes before it says to wait. */
const HIGH_WATER_MARK = 65_536

/** Idle time after which the kernel asks whether the peer is still there, in milliseconds. */
const KEEP_ALIVE_MILLIS = 60_000

/** Refused connections that get their notice at the same time. In a flood, the others are dropped unheard. */
const REFUSALS_AT_ONCE = 64

/** How long a refused client may take to close its side, in milliseconds. */
const REFUSAL_LINGER_MILLIS = 250

/** File descriptors that clients may not take: for log files, the event loop, and whatever the host program has open. */
const RESERVED_DESCRIPTORS = 32

/** Time between two looks at whether there are descriptors left, in milliseconds. */
const DESCRIPTOR_CHECK_MILLIS = 1000

/** Descriptors that must be free before listening again: it takes one itself, and each client one. */
const SPARE_DESCRIPTORS = 8

/** Whether the port is one that several processes of `node:cluster` share; the primary hands out connections in turn. */
export const SharedPort = Context.Reference<boolean>("summoner-server/SharedPort", { defaultValue: () => false })

/** Listens on the configured host and port (contract, section 1; seed, "Operational model"). */
export const layer: Layer.Layer<Listener, never, ServerConfig> = Layer.effect(
  Listener,
  Effect.map(ServerConfig, (config) => Listener.of({ listen: (door) => listenOn(config, door) }))
)

const listenOn = Effect.fnUntraced(function* (
  config: ServerConfig["Service"],
  door: Door
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const { listen_backlog } = config.hyper_parameters
  const isShared = yield* SharedPort
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const acceptErrors = yield* Queue.sliding<NodeJS.ErrnoException>(1)
  let refusing = 0

  const refuse = (socket: Net.Socket, ip: string, { incident, notice }: Refusal) => {
    door.refusedUnsafe(ip, incident)
    if (refusing >= REFUSALS_AT_ONCE) return void socket.destroy()
    refusing++
    // Read, and given a moment: closing under bytes that it has sent already would cost the client its notice.
    const cut = setTimeout(() => socket.destroy(), REFUSAL_LINGER_MILLIS)
    socket
      .on("error", () => {})
      .on("close", () => {
        clearTimeout(cut)
        refusing--
      })
    socket.resume().end(notice)
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
  const descriptors = descriptorLimit()
  const places = Math.max(1, descriptors - RESERVED_DESCRIPTORS)
  const refusalPlaces = Math.min(REFUSALS_AT_ONCE, Math.floor(places / 4))
  // A connection that a process of several does not take is handed to the next one, and on, for ever: there, the door refuses it.
  if (!isShared) {
    Object.defineProperty(server, "maxConnections", {
      get: () => Math.min(door.maxClientsUnsafe() + refusalPlaces, places)
    })
  }
  server.on("drop", (connection) => door.refusedUnsafe(connection?.remoteAddress ?? "?", "dropped, too many at once"))
  const receive = (socket: Net.Socket) => {
    const client = Address.ofPeer(socket)
    // Gone already.
    if (client === undefined) return void socket.destroy()
    const refusal = door.clientsUnsafe() >= places - refusalPlaces ? FULL : door.enterUnsafe(client)
    if (refusal !== undefined) return refuse(socket, client.ip, refusal)
    fork(door.session(new TcpConnection(socket, client)))
  }
  const accepted = new AcceptQueue(receive)
  server.on("connection", (socket) => accepted.push(socket))

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      accepted.drain()
      server.close()
    })
  )
  const bound = yield* listen(server, config, listen_backlog, isShared)
  server.on("error", (error) => Queue.offerUnsafe(acceptErrors, error))

  if (places - refusalPlaces < door.maxClientsUnsafe()) {
    yield* Effect.logInfo(
      `room for ${places - refusalPlaces} clients only: this process may open ${descriptors} files (ulimit -n)`
    )
  }

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

/** How many files this process may have open, where the system tells. */
const descriptorLimit = (): number => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))
    return limit === null ? Infinity : Number(limit[1])
  } catch {
    return Infinity
  }
}
