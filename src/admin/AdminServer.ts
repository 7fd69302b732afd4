import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { RESERVED_DESCRIPTORS, ReservedDescriptors } from "../transport/ReservedDescriptors.ts"
import { ADMIN_CONNECTIONS } from "./AdminConnections.ts"
import { loadAdminHttp } from "./loadAdminHttp.ts"
import type { BoundAddress, ListenError } from "../session/Listener.ts"
import type { Operations } from "../session/Operations.ts"
import type { ServerStatus } from "../session/ServerStatus.ts"

/** Health, metrics, dashboard and actions for operators, over HTTP. */
export class AdminServer extends Context.Service<
  AdminServer,
  {
    /**
     * Serves the operations of a server until the scope ends.
     *
     * @param operations the server to show and to act on
     * @param status where that server listens
     * @returns the bound address, `undefined` if the admin server is off; fails with `ListenError`
     */
    readonly serve: (
      operations: Operations,
      status: Pick<ServerStatus["Service"], "listeners">
    ) => Effect.Effect<BoundAddress | undefined, ListenError, Scope.Scope>
  }
>()("summoner-server/AdminServer") {
  /** No admin server. */
  static readonly layerDisabled = Layer.succeed(AdminServer, { serve: () => Effect.undefined })

  /** Listens on `admin.host` and `admin.port`; off without a port. */
  static readonly layer: Layer.Layer<AdminServer, never, ServerConfig> = Layer.effect(
    AdminServer,
    Effect.gen(function* () {
      const { admin } = yield* ServerConfig
      const { port } = admin
      if (port === null) return yield* Effect.provide(AdminServer, AdminServer.layerDisabled)
      return AdminServer.of({
        serve: (operations, status) =>
          Effect.flatMap(loadAdminHttp(admin), ({ serve }) => serve(admin, port, operations, status))
      })
    })
  )
}

/** Reserves file descriptors for the connections of the admin server, where there is one. */
export const layerReserved: Layer.Layer<never, never, ServerConfig> = Layer.effect(
  ReservedDescriptors,
  Effect.map(ServerConfig, ({ admin }) => RESERVED_DESCRIPTORS + (admin.port === null ? 0 : ADMIN_CONNECTIONS))
)
