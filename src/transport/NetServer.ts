/** What a server of this machine's sockets does to listen, and to go on listening whatever happens. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { closeSync, openSync } from "node:fs"
import * as Net from "node:net"
import { devNull } from "node:os"
import type { Values } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import { formatAddress } from "../net/IpAddress.ts"
import * as Incidents from "../session/Incidents.ts"
import { type BoundAddress, ListenError } from "../session/Listener.ts"
import { AcceptFailures, PortSharing } from "./PortSharing.ts"

/** A connection that Node has closed at once: there are too many. */
export const TOO_MANY = Incidents.define("connection", "too_many_at_once", "dropped, too many at once")

/** Time between two looks at whether there are descriptors left, in milliseconds. */
const DESCRIPTOR_CHECK_MILLIS = 1000

/** Descriptors that must be free before listening again: it takes one itself, and each client one. */
const SPARE_DESCRIPTORS = 8

type Parameters = Pick<Values["hyper_parameters"], "listen_backlog" | "accept_error_backoff_ms">

/**
 * Listens until the scope ends, on a server that may do so already. Where accepting fails, for a lack of file descriptors, it pauses and listens again.
 *
 * @param at where; port 0 takes a free one
 * @param key what configures it: `port`, `websocket.port`
 * @param parameters as they are now, whenever they are needed
 */
export const keep = Effect.fnUntraced(function* (
  server: Net.Server,
  at: BoundAddress,
  key: string,
  parameters: Parameters
): Effect.fn.Return<BoundAddress, ListenError, Scope.Scope> {
  const acceptErrors = yield* Queue.sliding<NodeJS.ErrnoException>(1)
  const sharing = yield* PortSharing
  const failures = yield* AcceptFailures
  const listenOn = (at: BoundAddress) =>
    listen(server, at, key, { backlog: parameters.listen_backlog, reusePort: sharing !== undefined })
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      acceptLast(server, parameters.listen_backlog),
      Effect.sync(() => server.close())
    )
  )
  const bound = server.listening ? boundTo(server) : yield* listenOn(at)
  server.on("error", (error) => Queue.offerUnsafe(acceptErrors, error))

  // The one way to stop accepting that Node offers is to stop listening. Clients already connected are not touched.
  const recover = Effect.fnUntraced(function* (error: NodeJS.ErrnoException, logs: boolean) {
    const { accept_error_backoff_ms } = parameters
    if (logs) {
      yield* Effect.logWarning(
        `cannot accept connections: ${error.code ?? error.message}; trying again every ${accept_error_backoff_ms} ms`
      )
    }
    server.close()
    yield* Effect.sleep(accept_error_backoff_ms).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          const error = outOfDescriptors(SPARE_DESCRIPTORS)
          return error === undefined ? listenOn(bound) : Effect.fail(error)
        })
      ),
      Effect.eventually
    )
    yield* Queue.clear(acceptErrors)
    if (logs) yield* Effect.logInfo(`accepting connections again on ${formatAddress(bound.host, bound.port)}`)
  })
  const recoverAlways = Effect.forever(
    Effect.flatMap(Queue.take(acceptErrors), (error) =>
      Effect.acquireUseRelease(
        Effect.sync(failures.claimUnsafe),
        (logs) => recover(error, logs),
        (logs) => Effect.sync(() => logs && failures.releaseUnsafe())
      )
    )
  )
  // libuv keeps a failed accept to itself and tries again at once, on a whole core, for as long as there is somebody to
  // accept and no descriptor for it. So ask.
  const watchDescriptors = Effect.sync(() => {
    const error = server.listening ? outOfDescriptors(1) : undefined
    if (error !== undefined) Queue.offerUnsafe(acceptErrors, error)
  }).pipe(Effect.delay(DESCRIPTOR_CHECK_MILLIS), Effect.forever)
  for (const watch of [recoverAlways, watchDescriptors]) {
    yield* background("the listener no longer watches itself", watch)
  }
  return bound
})

/** A server whose queue is full answers no one: after this time, in milliseconds, its port counts as taken. */
const PROBE_MILLIS = 1000

/**
 * Finds out whether another server listens on a port, also one that would share it. Asks by a connection: listening for a moment would
 * accept, and lose, clients that are waiting for this server.
 *
 * @returns where to listen, with a free port in place of 0, shared with this process until the scope ends; fails with `ListenError` if the
 *   port is taken
 */
export const probe = (at: BoundAddress, key: string): Effect.Effect<BoundAddress, ListenError, Scope.Scope> => {
  if (at.port === 0) {
    return Effect.flatMap(
      Effect.acquireRelease(
        Effect.sync(() => Net.createServer((socket) => socket.destroy())),
        closed
      ),
      (server) => listen(server, at, key, { backlog: 1, reusePort: true })
    )
  }
  const isTaken = Effect.callback<boolean>((resume) => {
    const { host, port } = at
    const socket = Net.connect({ host: LOOPBACK[host] ?? host, port })
    const answer = (isTaken: boolean) => {
      socket.destroy()
      resume(Effect.succeed(isTaken))
    }
    socket.on("error", () => answer(false))
    // A socket that the system has connected with itself has found no server.
    socket.on("connect", () => answer(socket.localPort !== port))
    return Effect.sync(() => socket.destroy())
  })
  return Effect.timeoutOption(isTaken, PROBE_MILLIS).pipe(
    Effect.flatMap((taken) =>
      Option.getOrElse(taken, () => true) ? Effect.fail(listenError(at, key, "EADDRINUSE")) : Effect.succeed(at)
    )
  )
}

/**
 * Keeps a port from other servers that start now, until the scope ends: until it is listened on, which `probe` finds. By a socket that has a
 * name and no file, which the system takes back from a process that ends. Without effect where there is no such thing: outside of Linux, or
 * where a sandbox forbids it.
 *
 * @returns fails with `ListenError` if another server has claimed the same address
 */
export const claim = (at: BoundAddress, key: string): Effect.Effect<void, ListenError, Scope.Scope> => {
  if (process.platform !== "linux" || at.port === 0) return Effect.void
  const server = Net.createServer((socket) => socket.destroy())
  return Effect.acquireRelease(
    Effect.callback<void, ListenError>((resume) => {
      server.once("error", ({ code }: NodeJS.ErrnoException) =>
        resume(code === "EADDRINUSE" ? Effect.fail(listenError(at, key, code)) : Effect.void)
      )
      const path = `\0summoner-server ${formatAddress(at.host, at.port)}`
      server.listen({ path, exclusive: true }, () => resume(Effect.void))
    }),
    () => closed(server)
  )
}

const closed = (server: Net.Server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))

/** Where a server that listens everywhere is reached. */
const LOOPBACK: { readonly [host: string]: string } = { "0.0.0.0": "127.0.0.1", "::": "::1" }

const listenError = ({ host, port }: BoundAddress, key: string, code: string) =>
  new ListenError({ host, port, code, ...(key !== "port" && { key }) })

/**
 * Accepts the connections that the kernel has completed already: closing the port would reset them.
 *
 * @param backlog how many those are, at most: a flood of new ones is not waited for
 */
const acceptLast = (server: Net.Server, backlog: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (!server.listening) return resume(Effect.void)
    let accepted = 0
    let before = -1
    const onConnection = () => accepted++
    const onTurn = () => {
      if (accepted > before && accepted < backlog) {
        before = accepted
        setImmediate(onTurn)
      } else {
        server.off("connection", onConnection)
        resume(Effect.void)
      }
    }
    server.on("connection", onConnection)
    // The turn that is under way may have looked already.
    setImmediate(onTurn)
  })

/** Listens until the server is closed. Returns where; fails with `ListenError`. */
export const listen = (server: Net.Server, at: BoundAddress, key: string, options: Net.ListenOptions) =>
  Effect.callback<BoundAddress, ListenError>((resume) => {
    const onError = (error: NodeJS.ErrnoException) => {
      server.off("listening", onListening)
      resume(Effect.fail(listenError(at, key, error.code ?? error.message)))
    }
    const onListening = () => {
      server.off("error", onError)
      resume(Effect.succeed(boundTo(server)))
    }
    server.once("error", onError).once("listening", onListening)
    server.listen({ ...at, ...options })
  })

const boundTo = (server: Net.Server): BoundAddress => {
  const { address, port } = server.address() as Net.AddressInfo
  return { host: address, port }
}

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
