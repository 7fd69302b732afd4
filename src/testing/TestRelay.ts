import * as Layer from "effect/Layer"
import { type Options, ServerConfig } from "../config/ServerConfig.ts"
import { RelayServer } from "../RelayServer.ts"
import * as MemoryListener from "./MemoryListener.ts"

/**
 * A whole server without a socket, for `TestClock`: the services of the configuration's profile, except as given, behind a
 * `MemoryListener`. Clients come by `MemoryNetwork.connect`.
 *
 * @param options in the form of a `server.json`
 * @param replaced services to use in place of those of the profile
 */
export const layer = <A = never, E = never>(
  options: Options = {},
  replaced: Layer.Layer<A, E, ServerConfig> = Layer.empty as never
) =>
  RelayServer.layerNoDeps.pipe(
    Layer.provideMerge(MemoryListener.layer),
    Layer.provideMerge(Layer.fresh(replaced)),
    Layer.provide(Layer.fresh(RelayServer.layerServices)),
    Layer.provide(ServerConfig.layerValue(options, "TestRelay.layer"))
  )
