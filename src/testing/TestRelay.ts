import * as Layer from "effect/Layer"
import { type Options, ServerConfig } from "../config/ServerConfig.ts"
import { RelayServer } from "../RelayServer.ts"
import * as MemoryListener from "./MemoryListener.ts"

/**
 * A whole server without sockets, for `TestClock`: the services of the configured profile behind a `MemoryListener`. Clients connect with
 * `MemoryNetwork.connect`.
 *
 * @param options the content of a `server.json`
 * @param replaced services used instead of those of the profile
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
