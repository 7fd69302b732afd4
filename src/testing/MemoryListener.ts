import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { formatAddress } from "../net/IpAddress.ts"
import type { ConnectionGate } from "../session/ConnectionGate.ts"
import { Listener } from "../session/Listener.ts"
import { MemoryConnection, type Options } from "./MemoryConnection.ts"

/** The port for a configured port 0; ports of clients begin above it. */
const FIRST_PORT = 49_152

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
  }
>()("summoner-server/testing/MemoryNetwork") {}

/** A transport in memory, with the real connection gate and sessions. */
export const layer: Layer.Layer<Listener | MemoryNetwork, never, ServerConfig> = Layer.effectContext(
  Effect.gen(function* () {
    const { host, port } = yield* ServerConfig
    let accept: ((connection: MemoryConnection) => void) | undefined
    let lastPort = FIRST_PORT

    const listen = Effect.fnUntraced(function* (gate: ConnectionGate) {
      const fork = yield* FiberSet.makeRuntime<never, void, never>()
      accept = (connection) => {
        const refusal = gate.enterUnsafe(connection)
        if (refusal === undefined) return void fork(gate.session(connection))
        gate.refusedUnsafe(connection.ip, refusal.incident)
        connection.refuseUnsafe(refusal.notice)
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          accept = undefined
        })
      )
      return { host, port: port === 0 ? FIRST_PORT : port }
    })

    const connect = ({ ip = "127.0.0.1", ...options }: Options & { readonly ip?: string } = {}) =>
      Effect.suspend(() => {
        if (accept === undefined) return Effect.die(new Error("connect: no server listens"))
        const connection = new MemoryConnection(formatAddress(ip, ++lastPort), options)
        accept(connection)
        return Effect.succeed(connection)
      })

    return Context.make(Listener, Listener.of({ listen })).pipe(Context.add(MemoryNetwork, { connect }))
  })
)
