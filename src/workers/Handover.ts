import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { descriptorLimit, keep, SERVER_OPTIONS } from "../listen/listening.ts"
import type { Totals } from "../relay/Incidents.ts"
import type { BoundAddress, ListenError } from "../relay/Listener.ts"
import * as Refusals from "../relay/Refusals.ts"
import type { Values } from "../ServerConfig.ts"
import type { WorkerProcess } from "./WorkerProcess.ts"

/** Connections that are accepted and have no worker yet, as all may be that come back after a crash. More are dropped. */
const WAITING_AT_ONCE = 16_384

/** A port that the workers share. */
interface Port {
  readonly key: string
  readonly bound: Deferred.Deferred<BoundAddress, ListenError>
  readonly waiting: Array<Net.Socket>
  /** Workers that can take one, who has waited longest first. */
  readonly idle: Array<WorkerProcess>
}

/** A connection that a worker was given and has not confirmed. */
interface UnderWay {
  readonly socket: Net.Socket
  readonly port: Port
  readonly worker: WorkerProcess
}

/**
 * Accepts the connections of all workers and hands them out in turn: each worker is given the next one when it has taken the last, so that
 * whoever is busy is passed over. A worker that ends has lost none: what it did not confirm goes to another one.
 *
 * @param parameters of listening, as they are now whenever they are needed
 * @param totals counts who is dropped
 */
export const make = Effect.fnUntraced(function* (parameters: Values["hyper_parameters"], totals: Totals) {
  const listening = yield* Scope.fork(yield* Effect.scope)
  const { refusedUnsafe } = yield* Refusals.make(totals)
  const ports = new Map<string, Port>()
  const underWay = new Map<number, UnderWay>()
  let number = 0
  let isClosed = false

  const handOut = (port: Port) => {
    while (port.idle.length > 0 && port.waiting.length > 0) {
      const socket = port.waiting.shift()!
      if (socket.destroyed) continue
      const worker = port.idle.shift()!
      underWay.set(++number, { socket, port, worker })
      worker.send({ _tag: "Connection", key: port.key, number }, socket)
    }
  }

  const close = Effect.suspend(() => {
    isClosed = true
    for (const { waiting } of ports.values()) for (const socket of waiting.splice(0)) socket.destroy()
    return Scope.close(listening, Exit.void)
  })
  yield* Effect.addFinalizer(() => close)

  const listen = Effect.fnUntraced(function* (port: Port, at: BoundAddress) {
    const server = Net.createServer(SERVER_OPTIONS, (socket) => {
      if (isClosed) return void socket.destroy()
      port.waiting.push(socket.on("error", () => {}))
      handOut(port)
    })
    server.maxConnections = Math.min(WAITING_AT_ONCE, descriptorLimit() / 2)
    server.on("drop", (connection) => refusedUnsafe(connection?.remoteAddress ?? "?", "dropped, too many at once"))
    return yield* keep(server, at, port.key, parameters)
  })

  return {
    /** Where the connections of a port come; it listens from the first call on. */
    listen: (at: BoundAddress, key: string): Effect.Effect<BoundAddress, ListenError> =>
      Effect.suspend(() => {
        const known = ports.get(key)
        if (known !== undefined) return Deferred.await(known.bound)
        const port: Port = { key, bound: Deferred.makeUnsafe(), waiting: [], idle: [] }
        ports.set(key, port)
        return listen(port, at).pipe(
          Effect.provideService(Scope.Scope, listening),
          Effect.onExit((exit) => Deferred.done(port.bound, exit))
        )
      }),
    /** Gives a worker its share from now on. */
    enterUnsafe: (worker: WorkerProcess, key: string): void => {
      const port = ports.get(key)!
      port.idle.push(worker)
      handOut(port)
    },
    /** A worker has a connection, which is its own now. */
    takenUnsafe: (taken: number): void => {
      const { port, socket, worker } = underWay.get(taken)!
      underWay.delete(taken)
      socket.destroy()
      port.idle.push(worker)
      handOut(port)
    },
    /** A worker has ended. */
    leaveUnsafe: (worker: WorkerProcess): void => {
      for (const port of ports.values()) {
        const at = port.idle.indexOf(worker)
        if (at !== -1) port.idle.splice(at, 1)
      }
      for (const [number, { port, socket, worker: given }] of underWay) {
        if (given !== worker) continue
        underWay.delete(number)
        if (isClosed) socket.destroy()
        else port.waiting.unshift(socket)
      }
      for (const port of ports.values()) handOut(port)
    },
    /** Frees the ports. Connections that nobody has taken are closed. */
    close
  }
})

export type Handover = Effect.Success<ReturnType<typeof make>>
