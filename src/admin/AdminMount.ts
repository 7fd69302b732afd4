/** The admin API on an HTTP server that the program has already (docs/embedding.md). */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, ServerResponse } from "node:http"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { Slot } from "../internal/Slot.ts"
import { ListenError } from "../session/Listener.ts"
import type { Operations } from "../session/Operations.ts"
import type { ServerStatus } from "../session/ServerStatus.ts"
import { AdminServer } from "./AdminServer.ts"
import { loadAdminHttp } from "./loadAdminHttp.ts"

/**
 * An `AdminServer` without a port: the program hands it the requests. Everything but health and the page without its data needs
 * `admin.token`, because the HTTP server may be reached from anywhere.
 */
export interface AdminMount {
  /** The admin server of one relay. Requests get 503 before that runs, and once it has shut down, which ends event streams. */
  readonly layer: Layer.Layer<AdminServer, never, ServerConfig>
  /**
   * Serves a `request` of an `http.Server` or `https.Server` if it is under the prefix.
   *
   * @returns whether it was; else the program serves it
   */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => boolean
  /** The handler of a route of Effect's `HttpRouter` under the prefix: `HttpRouter.add("*", "/relay/*", mount.route)`. */
  readonly route: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    HttpServerRequest.HttpServerRequest | Scope.Scope
  >
}

type App = AdminMount["route"]

/**
 * A mount for the admin API of one server.
 *
 * @param prefix of its paths, without a slash at the end: `/relay` has the dashboard at `/relay/`
 */
export const make = (prefix: string): AdminMount => {
  const running = new Slot<Running>()
  /** From before it runs on: another server may start meanwhile. */
  const taken = new Slot<true>()

  const serve = Effect.fnUntraced(function* (
    admin: ServerConfig["Service"]["admin"],
    operations: Operations,
    status: Pick<ServerStatus["Service"], "listeners">
  ): Effect.fn.Return<undefined, ListenError, Scope.Scope> {
    const { host, port } = admin
    if (port !== null) {
      const code = "the admin API is on the HTTP server of the program"
      return yield* new ListenError({ host, port, code, key: "admin.port" })
    }
    if (taken.current === true) return yield* Effect.die(new Error("two servers share one AdminMount"))
    yield* taken.hold(true)
    const { mounted } = yield* loadAdminHttp(admin)
    yield* running.hold(yield* mounted(admin, operations, status))
    return undefined
  })

  const layer = Layer.effect(
    AdminServer,
    Effect.map(ServerConfig, ({ admin }) =>
      AdminServer.of({ serve: (operations, status) => serve(admin, operations, status) })
    )
  )

  const segment = prefix.slice(prefix.lastIndexOf("/") + 1)
  /** What a URL asks for; `undefined` if it is not below the prefix. */
  const below = (url: string): Asked | undefined => {
    if (!url.startsWith(prefix)) return undefined
    const rest = url.slice(prefix.length)
    if (rest.startsWith("/")) return running.current === undefined ? NOT_RUNNING : { ...running.current, url: rest }
    // Relative, because the prefix may itself be below a path of a proxy.
    return rest === "" || rest.startsWith("?") ? redirect(`${segment}/${rest}`) : undefined
  }

  const handle: AdminMount["handle"] = (request, response) => {
    const asked = below(request.url ?? "")
    if (asked === undefined) return false
    if ("status" in asked) {
      response.writeHead(asked.status, asked.headers).end(asked.body)
    } else {
      request.url = asked.url
      asked.respond(request, response)
    }
    return true
  }

  const route: App = Effect.gen(function* () {
    // The program has loaded these.
    const [Request, Response] = yield* Effect.promise(() =>
      Promise.all([import("effect/http/HttpServerRequest"), import("effect/http/HttpServerResponse")])
    )
    const request = yield* Request.HttpServerRequest
    const asked = below(request.url) ?? NOT_BELOW
    if ("status" in asked) return Response.text(asked.body, { status: asked.status, headers: asked.headers })
    return yield* Effect.provideService(asked.app, Request.HttpServerRequest, request.modify({ url: asked.url }))
  })

  return { layer, handle, route }
}

interface Running {
  readonly app: App
  readonly respond: (request: IncomingMessage, response: ServerResponse) => void
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

type Asked = (Running & { readonly url: string }) | Answer

const problem = (status: number, error: string): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ error })
})
const NOT_RUNNING = problem(503, "the relay does not run")
const NOT_BELOW = problem(404, "this route is not below the prefix of the mount")
const redirect = (location: string): Answer => ({ status: 308, headers: { location }, body: "" })
