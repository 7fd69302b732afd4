import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import type { Values } from "../config/ServerConfig.ts"
import type { Totals } from "../session/Incidents.ts"
import type { BoundAddress, ListenError } from "../session/Listener.ts"
import * as RefusalLog from "../session/RefusalLog.ts"
import { AcceptQueue } from "../transport/AcceptQueue.ts"
import { descriptorLimit, keep, SERVER_OPTIONS, TOO_MANY } from "../transport/NetServer.ts"
import type { WorkerProcess } from "./WorkerProcess.ts"

/** Connections that are accepted and have no worker yet, as all may be that come back after a crash. More are dropped. */
const WAITING_AT_ONCE = 16_384

/** Connections that a worker may have been given and not confirmed. One that is stuck gets no more. */
const UNCONFIRMED = 16

/** A port that the workers share. */
interface Port {
  readonly key: string
  readonly bound: Deferred.Deferred<BoundAddress, ListenError>
  readonly waiting: Array<Net.Socket>
  readonly workers: Set<WorkerProcess>
}

/** A connection that a worker was given and has not confirmed. */
interface UnderWay {
  readonly socket: Net.Socket
  readonly port: Port
  readonly worker: WorkerProcess
}

/**
 * Accepts the connections of all workers and gives each to the one with the fewest clients, unless it is stuck. A worker that ends has lost
 * none: what it did not confirm goes to another one.
 *
 * @param parameters of listening, as they are now whenever they are needed
 * @param totals counts who is dropped
 */
export const make = Effect.fnUntraced(function* (parameters: Values["hyper_parameters"], totals: Totals) {
  const listening = yield* Scope.fork(yield* Effect.scope)
  const { refusedUnsafe } = yield* RefusalLog.make(totals)
  const ports = new Map<string, Port>()
  const underWay = new Map<number, UnderWay>()
  let number = 0
  let isClosed = false

  const fewestClients = (workers: Iterable<WorkerProcess>): WorkerProcess | undefined => {
    let best: WorkerProcess | undefined
    for (const worker of workers) {
      if (worker.unconfirmed < UNCONFIRMED && (best === undefined || worker.clients < best.clients)) best = worker
    }
    return best
  }

  const handOut = (port: Port) => {
    while (port.waiting.length > 0) {
      const worker = fewestClients(port.workers)
      if (worker === undefined) return
      const socket = port.waiting.shift()!
      if (socket.destroyed) continue
      underWay.set(++number, { socket, port, worker })
      worker.unconfirmed++
      worker.clients++
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
    const accepted = new AcceptQueue<Net.Socket>((socket) => {
      if (isClosed) return void socket.destroy()
      port.waiting.push(socket)
      handOut(port)
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => accepted.drain()))
    const server = Net.createServer(SERVER_OPTIONS, (socket) => accepted.push(socket.on("error", () => {})))
    server.maxConnections = Math.min(WAITING_AT_ONCE, descriptorLimit() / 2)
    server.on("drop", (connection) => refusedUnsafe(connection?.remoteAddress ?? "?", TOO_MANY))
    return yield* keep(server, at, port.key, parameters)
  })

  return {
    /** Where the connections of a port come; it listens from the first call on. */
    listen: (at: BoundAddress, key: string): Effect.Effect<BoundAddress, ListenError> =>
      Effect.suspend(() => {
        const known = ports.get(key)
        if (known !== undefined) return Deferred.await(known.bound)
        const port: Port = { key, bound: Deferred.makeUnsafe(), waiting: [], workers: new Set() }
        ports.set(key, port)
        return listen(port, at).pipe(
          Effect.provideService(Scope.Scope, listening),
          Effect.onExit((exit) => Deferred.done(port.bound, exit))
        )
      }),
    /** Gives a worker its share from now on. */
    enterUnsafe: (worker: WorkerProcess, key: string): void => {
      const port = ports.get(key)!
      port.workers.add(worker)
      handOut(port)
    },
    /** A worker has a connection, which is its own now. */
    takenUnsafe: (taken: number): void => {
      const { port, socket, worker } = underWay.get(taken)!
      underWay.delete(taken)
      socket.destroy()
      worker.unconfirmed--
      handOut(port)
    },
    /** A worker has ended. */
    leaveUnsafe: (worker: WorkerProcess): void => {
      for (const { workers } of ports.values()) workers.delete(worker)
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
