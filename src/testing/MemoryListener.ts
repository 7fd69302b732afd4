import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { Slot } from "../internal/Slot.ts"
import { formatAddress } from "../net/IpAddress.ts"
import type { ConnectionGate } from "../session/ConnectionGate.ts"
import { Listener } from "../session/Listener.ts"
import { MemoryConnection, type Options } from "./MemoryConnection.ts"

/** The port for a configured port 0; ports of clients begin above it. */
const FIRST_PORT = 49_152

/** Turns of the event loop in which nothing happens, after which nothing is under way: a bus of tests delivers in the next one. */
const QUIET_TURNS = 4

const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** How clients come to a server without a socket. */
export class MemoryNetwork extends Context.Service<
  MemoryNetwork,
  {
    /**
     * Connects a client, which is in the room, or refused, when this returns. The scope of the server closes it. Dies if no server
     * listens.
     *
     * @param options `ip`: the client's IP address, 127.0.0.1 by default; and the behaviour of its connection
     */
    readonly connect: (options?: Options & { readonly ip?: string }) => Effect.Effect<MemoryConnection>
    /**
     * Waits until the server has done everything that it can do without time passing: every line that clients have sent is relayed,
     * refused or held back, and everything for clients that read has reached them. What a client has not received by then is not on its
     * way. Waits for decisions of a message filter, too; where one waits for `TestClock`, adjust that first.
     */
    readonly settled: Effect.Effect<void>
  }
>()("summoner-server/testing/MemoryNetwork") {}

/** A transport in memory, with the real connection gate and sessions. */
export const layer: Layer.Layer<Listener | MemoryNetwork, never, ServerConfig> = Layer.effectContext(
  Effect.gen(function* () {
    const { host, port } = yield* ServerConfig
    const accept = new Slot<(connection: MemoryConnection) => void>()
    let lastPort = FIRST_PORT
    let isIdle = (_connection: MemoryConnection) => true
    let flush = () => {}
    const connections = new Set<MemoryConnection>()
    const seen = new WeakMap<MemoryConnection, number>()

    const listen = Effect.fnUntraced(function* (gate: ConnectionGate) {
      const fork = yield* FiberSet.makeRuntime<never, void, never>()
      flush = gate.flushUnsafe
      isIdle = (connection) =>
        connection.isAwaited || connection.isClosed || connection.ends > 0 || gate.isHeldUnsafe(connection.address)
      let isOpen = gate.opened === undefined
      const waiting: Array<MemoryConnection> = []
      const receive = (connection: MemoryConnection) => {
        connections.add(connection)
        const refusal = gate.enterUnsafe(connection)
        if (refusal === undefined) return void fork(gate.session(connection))
        gate.refusedUnsafe(connection.ip, refusal.incident)
        connection.refuseUnsafe(refusal.notice)
      }
      const open = Effect.sync(() => {
        isOpen = true
        waiting.splice(0).forEach(receive)
      })
      yield* accept.hold((connection) => (isOpen ? receive(connection) : void waiting.push(connection)))
      yield* Effect.addFinalizer(() => open)
      if (gate.opened !== undefined) yield* Effect.forkScoped(Effect.andThen(gate.opened, open))
      return { host, port: port === 0 ? FIRST_PORT : port }
    })

    const connect = ({ ip = "127.0.0.1", ...options }: Options & { readonly ip?: string } = {}) =>
      Effect.suspend(() => {
        if (accept.current === undefined) return Effect.die(new Error("connect: no server listens"))
        const connection = new MemoryConnection(formatAddress(ip, ++lastPort), options)
        accept.current(connection)
        return Effect.succeed(connection)
      })

    /** Whether something has happened since the last look, or has to. */
    const isBusy = () => {
      flush()
      let busy = false
      for (const connection of connections) {
        const { changes } = connection
        if (changes !== seen.get(connection) || !isIdle(connection)) busy = true
        seen.set(connection, changes)
        if (connection.isClosed) connections.delete(connection)
      }
      return busy
    }
    const settled = Effect.gen(function* () {
      for (let quiet = 0; quiet < QUIET_TURNS;) {
        yield* turn
        quiet = isBusy() ? 0 : quiet + 1
      }
    })

    return Context.make(Listener, Listener.of({ listen })).pipe(Context.add(MemoryNetwork, { connect, settled }))
  })
)
