import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ConfigError } from "../config/ConfigError.ts"
import { type Options, ServerConfig } from "../config/ServerConfig.ts"
import * as Parts from "../relay/Parts.ts"
import * as Relay from "../relay/Relay.ts"
import { RelayServer } from "../RelayServer.ts"
import * as MemoryListener from "./MemoryListener.ts"

/**
 * A whole server without sockets, for `TestClock`: the parts of the configured profile behind a `MemoryListener`. Clients connect with
 * `MemoryNetwork.connect`.
 *
 * @example
 *   TestRelay.layer({}, { rateLimiter: TestRateLimiter.layer([true, false]) })
 *
 * @param options the content of a `server.json`
 * @param parts used instead of those of the profile, as in `RelayServer.layer`; what a test controls them by, `TestIdleTimeout` for
 *   example, is in the Layer, too
 */
export const layer = <const P extends Parts.Parts = {}>(options: Options = {}, parts?: Parts.Exact<P, Parts.Parts>) => {
  const given = { listener: MemoryListener.layer, ...(parts as P) }
  return Layer.unwrap(
    Effect.as(
      Parts.check("TestRelay.layer", given, [], true),
      Layer.effect(RelayServer, Relay.Relay).pipe(
        Layer.provideMerge(Parts.layer(given)),
        Layer.provide(ServerConfig.layerValue(options, "TestRelay.layer"))
      )
    )
  ) as Layer.Layer<
    RelayServer | MemoryListener.MemoryNetwork | Parts.ExtrasOf<P>,
    Parts.ErrorOf<P> | Parts.StartError | ConfigError,
    Parts.ServicesOf<P>
  >
}
