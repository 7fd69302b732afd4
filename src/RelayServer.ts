import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Address from "./listen/Address.ts"
import * as TcpListener from "./listen/TcpListener.ts"
import { Backpressure } from "./relay/Backpressure.ts"
import { Broadcaster } from "./relay/Broadcaster.ts"
import { ClientLimits } from "./relay/ClientLimits.ts"
import { IdleTimeout } from "./relay/IdleTimeout.ts"
import { Quarantine } from "./relay/Quarantine.ts"
import { RateLimiter } from "./relay/RateLimiter.ts"
import * as Session from "./relay/Session.ts"
import { profileOf, ServerConfig } from "./ServerConfig.ts"

/** Everything on: the seed's Rust backend. */
const rustProfile = Layer.mergeAll(
  RateLimiter.layerFixedWindow,
  Backpressure.layer,
  IdleTimeout.layer,
  Quarantine.layer,
  ClientLimits.layer
)

/** The plain relay: the seed's Python backend. */
const pythonProfile = Layer.mergeAll(
  RateLimiter.layerUnlimited,
  Backpressure.layerDisabled,
  IdleTimeout.layerDisabled,
  Quarantine.layerDisabled,
  ClientLimits.layer
)

const profile = Layer.unwrap(
  Effect.map(ServerConfig, (config) => (profileOf(config.version) === "python" ? pythonProfile : rustProfile))
)

/**
 * The whole server as one Layer. It listens once the Layer is built; when its scope ends it stops accepting, delivers what
 * it has accepted, tells every client and closes (contract, section 3, "Shutdown").
 */
export class RelayServer extends Context.Service<
  RelayServer,
  {
    /** Where the server listens; the port is the real one where the configuration says 0. */
    readonly address: TcpListener.BoundAddress
    /** The number of clients in the room. */
    readonly clientCount: Effect.Effect<number>
  }
>()("summoner-server/RelayServer") {
  /** Without the protections, for whoever wants to provide others than those of the profile. */
  static readonly layerNoProfile = Layer.effect(
    RelayServer,
    Effect.gen(function* () {
      const broadcaster = yield* Broadcaster
      const session = yield* Session.make
      let isListening = false
      yield* Effect.addFinalizer(() => (isListening ? Effect.logInfo("shutdown complete") : Effect.void))
      const address = yield* TcpListener.make(session.run)
      isListening = true
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.logInfo(`shutting down, clients connected: ${broadcaster.sizeUnsafe()}`),
          session.beginShutdown
        )
      )
      yield* Effect.logInfo(`listening on ${Address.format(address.host, address.port)}`)
      return RelayServer.of({ address, clientCount: Effect.sync(broadcaster.sizeUnsafe) })
    })
  ).pipe(Layer.provide(Broadcaster.layer))

  /** The server that the configuration describes. Fails with `ListenError`. */
  static readonly layer = this.layerNoProfile.pipe(Layer.provide(profile))
}
