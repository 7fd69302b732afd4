import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readFileSync } from "node:fs"
import * as Net from "node:net"
import { devNull } from "node:os"
import { ClientLimits } from "../relay/ClientLimits.ts"
import type { Connection } from "../relay/Connection.ts"
import * as Incidents from "../relay/Incidents.ts"
import { monotonicMillis } from "../relay/monotonicMillis.ts"
import * as Notice from "../relay/Notice.ts"
import { Quarantine } from "../relay/Quarantine.ts"
import { ServerConfig } from "../ServerConfig.ts"
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

/** The server cannot listen where it was told to. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  host: Schema.String,
  port: Schema.Int,
  /** The system's error code, such as `EADDRINUSE`. */
  code: Schema.String
}) {
  override get message() {
    const reason = REASONS[this.code]
    const explained = reason === undefined ? this.code : `${reason} (${this.code})`
    return `cannot listen on ${Address.format(this.host, this.port)}: ${explained}`
  }
}

const REASONS: Record<string, string> = {
  EADDRINUSE: "the port is already in use",
  EADDRNOTAVAIL: "no network interface of this machine has that address",
  EACCES: "not allowed; ports below 1024 need extra rights",
  ENOTFOUND: "there is no such host name",
  EAI_AGAIN: "the host name cannot be looked up now",
  EMFILE: "too many open files"
}

/** Where the server listens. */
export interface BoundAddress {
  readonly host: string
  readonly port: number
}

/**
 * Listens on the configured host and port and runs one `session` for each client, until the scope ends: then it stops
 * listening, interrupts the sessions and waits for them. A session must not fail.
 *
 * Who is quarantined or finds the server full is refused before anything is allocated for a session. Fails with
 * `ListenError`.
 */
export const make = Effect.fnUntraced(function* (
  session: (connection: Connection) => Effect.Effect<void>
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope | ServerConfig | Quarantine | ClientLimits> {
  const config = yield* ServerConfig
  const { listen_backlog } = config.hyper_parameters
  const quarantine = yield* Quarantine
  const limits = yield* ClientLimits
  const clock = yield* Clock.Clock
  const fork = yield* FiberSet.makeRuntime<never, void, never>()
  const acceptErrors = yield* Queue.sliding<NodeJS.ErrnoException>(1)
  const refusals = new Incidents.Incidents()

  let lastRefused = ""
  let sessions = 0
  let refusing = 0

  const refuse = (socket: Net.Socket, ip: string, incident: Incidents.Incident, notice: string) => {
    count(ip, incident)
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
  const count = (ip: string, incident: Incidents.Incident) => {
    lastRefused = ip
    refusals.count(incident)
    const report = reportRefusals(monotonicMillis(clock))
    if (report !== Effect.void) fork(report)
  }
  const reportRefusals = (nowMillis: number): Effect.Effect<void> => {
    const lines = refusals.report(nowMillis)
    return lines.length === 0
      ? Effect.void
      : Effect.logWarning(`connections refused: ${lines.join(", ")}; last from ${lastRefused}`)
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
  Object.defineProperty(server, "maxConnections", {
    get: () => Math.min(limits.maxClientsUnsafe() + refusalPlaces, places)
  })
  server.on("drop", (connection) => count(connection?.remoteAddress ?? "?", "dropped, too many at once"))
  server.on("connection", (socket) => {
    const client = Address.ofPeer(socket)
    // Gone between the kernel's accept and ours.
    if (client === undefined) return void socket.destroy()
    const remaining = quarantine.remainingMillisUnsafe(client)
    if (remaining > 0) return refuse(socket, client.ip, "quarantined", Notice.quarantined(remaining))
    if (sessions >= places - refusalPlaces || !limits.enterUnsafe(client.ip)) {
      return refuse(socket, client.ip, "server full", Notice.SERVER_FULL)
    }
    sessions++
    const leave = Effect.sync(() => {
      sessions--
      limits.leaveUnsafe(client.ip)
    })
    fork(Effect.ensuring(session(new TcpConnection(socket, client)), leave))
  })

  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => server.close()),
      reportRefusals(Infinity)
    )
  )
  const bound = yield* listen(server, config, listen_backlog)
  server.on("error", (error) => Queue.offerUnsafe(acceptErrors, error))

  if (places - refusalPlaces < limits.maxClientsUnsafe()) {
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
            return error === undefined ? listen(server, bound, listen_backlog) : Effect.fail(error)
          })
        ),
        Effect.eventually
      )
      yield* Queue.clear(acceptErrors)
      yield* Effect.logInfo(`accepting connections again on ${Address.format(bound.host, bound.port)}`)
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

const listen = (server: Net.Server, { host, port }: BoundAddress, backlog: number) =>
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
    server.listen({ host, port, backlog, exclusive: true })
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
