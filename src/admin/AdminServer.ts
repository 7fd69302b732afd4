import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/ServerConfig.ts"
import { RESERVED_DESCRIPTORS, ReservedDescriptors } from "../transport/ReservedDescriptors.ts"
import { ADMIN_CONNECTIONS } from "./AdminConnections.ts"
import type { BoundAddress, ListenError } from "../session/Listener.ts"
import type { Operations } from "../session/Operations.ts"

/** Health, metrics, dashboard and actions for operators, over HTTP. */
export class AdminServer extends Context.Service<
  AdminServer,
  {
    /**
     * Serves what there is to know of a server, and to do with it, until the scope ends.
     *
     * @returns where, if anywhere; fails with `ListenError`
     */
    readonly serve: (operations: Operations) => Effect.Effect<BoundAddress | undefined, ListenError, Scope.Scope>
  }
>()("summoner-server/AdminServer") {
  /** Serves nothing. */
  static readonly layerDisabled = Layer.succeed(AdminServer, { serve: () => Effect.undefined })

  /** Where `admin.host` and `admin.port` say; nothing if there is no port. */
  static readonly layer: Layer.Layer<AdminServer, never, ServerConfig> = Layer.effect(
    AdminServer,
    Effect.gen(function* () {
      const { admin } = yield* ServerConfig
      const { port } = admin
      if (port === null) return yield* Effect.provide(AdminServer, AdminServer.layerDisabled)
      return AdminServer.of({
        // Half a megabyte of program that a server without it need not load.
        serve: (operations) =>
          Effect.flatMap(
            Effect.promise(() => import("./AdminHttp.ts")),
            ({ serve }) => serve({ admin, port, operations })
          )
      })
    })
  )
}

/** Reserves file descriptors for the connections of the admin server, where there is one. */
export const layerReserved: Layer.Layer<never, never, ServerConfig> = Layer.effect(
  ReservedDescriptors,
  Effect.map(ServerConfig, ({ admin }) => RESERVED_DESCRIPTORS + (admin.port === null ? 0 : ADMIN_CONNECTIONS))
)
