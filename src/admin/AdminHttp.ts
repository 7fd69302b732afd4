/** The admin server: `Operations` over Effect's HTTP server. Loaded only where it is configured. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ServerResponse } from "node:http"
import type * as Net from "node:net"
import type { ServerConfig } from "../config/CurrentConfig.ts"
import { loadBuiltPage } from "../internal/built.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { formatAddress } from "../net/IpAddress.ts"
import { isLoopback } from "../net/IpNetwork.ts"
import type { Operations } from "../session/Operations.ts"
import type { ServerStatus } from "../session/ServerStatus.ts"
import * as EventLoopLag from "../telemetry/EventLoopLag.ts"
import * as MetricRegistration from "../telemetry/MetricRegistration.ts"
import * as ProcessMetrics from "../telemetry/ProcessMetrics.ts"
import { discard } from "../transport/discard.ts"
import { listen } from "../transport/NetServer.ts"
import * as Access from "./Access.ts"
import { AdminApi } from "./AdminApi.ts"
import { AdminConnections } from "./AdminConnections.ts"
import { accessRequest, act, eventStreams, ipOf, observe, probes } from "./AdminRoutes.ts"
import * as ApiViews from "./ApiViews.ts"
import * as EventStream from "./EventStream.ts"
import * as Problem from "./Problem.ts"
import * as StatsHistory from "./StatsHistory.ts"
import * as WrongTokens from "./WrongTokens.ts"

/** Time for the headers, and for the whole of a request, to arrive, in milliseconds. */
const REQUEST_TIMEOUT_MILLIS = 10_000

/**
 * Inactivity after which a connection is closed, in milliseconds, so that a vanished browser holds no event stream. Node.js closes one
 * that waits for its next request after five seconds: less than the time between two scrapes or probes.
 */
const INACTIVITY_MILLIS = 60_000

/** Time for which event streams share the same statistics, in milliseconds: with many clients they are costly to compute. */
const STATS_TTL_MILLIS = 500

/** Time to read the answer to a request that cannot be served, in milliseconds. */
const REFUSAL_LINGER_MILLIS = 250

type Status = Pick<ServerStatus["Service"], "listeners">

/** Called for a request that was authorized for more than health. */
type Trust = (request: HttpServerRequest.HttpServerRequest) => void

/** The admin API and the dashboard as an HTTP application. */
const make = Effect.fnUntraced(function* (
  operations: Operations,
  status: Status,
  access: Access.Access,
  trust: Trust = () => {}
) {
  const logger = Option.getOrUndefined(yield* Effect.serviceOption(RelayLogger))
  const lag = yield* EventLoopLag.make
  yield* ProcessMetrics.register(lag.latestUnsafe)
  const dashboard = yield* loadBuiltPage("dashboard")
  const stats = ApiViews.stats(operations, status, lag.latestUnsafe, logger)
  const history = yield* StatsHistory.make(stats)
  const wrongToken = yield* WrongTokens.make
  // Ends event streams on connections that are not the server's own.
  const ended = yield* Deferred.make<void>()
  yield* Effect.addFinalizer(() => Deferred.succeed(ended, undefined))
  const routes = Layer.mergeAll(
    probes(operations),
    PrometheusMetrics.layerHttp(),
    HttpRouter.add("GET", "/", HttpServerResponse.html(dashboard.html)),
    eventStreams({
      events: EventStream.events(operations, yield* Effect.cachedWithTTL(stats, STATS_TTL_MILLIS)),
      messages: EventStream.messages(operations),
      access,
      ended: Deferred.await(ended)
    }),
    HttpApiBuilder.layer(AdminApi, { openapiPath: "/api/openapi.json" }).pipe(
      Layer.provide([observe(operations, stats, history.json), act(operations)])
    )
  )
  const served = yield* HttpRouter.toHttpEffect(Layer.provide(routes, NodeHttpServer.layerHttpServices))
  return { app: guard(served, { access, trust, wrongToken, contentSecurityPolicy: dashboard.contentSecurityPolicy }) }
})

/** The admin API for the requests of another server, which may be reached from anywhere. */
export const mounted = Effect.fnUntraced(function* (admin: Access.Rules, operations: Operations, status: Status) {
  const { app } = yield* make(operations, status, Access.make(admin, false))
  const scope = yield* Scope.fork(yield* Effect.scope)
  return { app, respond: yield* NodeHttpServer.makeHandler(app, { scope }) }
})

/** Listens and serves until the scope ends, which closes open connections at once. Returns the bound address; fails with `ListenError`. */
export const serve = Effect.fnUntraced(function* (
  admin: ServerConfig["Service"]["admin"],
  port: number,
  operations: Operations,
  status: Status
) {
  const { host } = admin
  const connections = new AdminConnections()
  const { counter } = yield* MetricRegistration.make
  for (const reason of ["displaced", "pipelined"] as const) {
    const description = "Connections to the admin server that the server closed, by reason."
    counter("summoner_admin_callers_cut_total", description, () => connections.closedUnsafe(reason), { reason })
  }
  const { app } = yield* make(operations, status, Access.make(admin), (request) =>
    connections.trust(NodeHttpServerRequest.toIncomingMessage(request).socket)
  )
  const scope = yield* Scope.fork(yield* Effect.scope)
  const respond = yield* NodeHttpServer.makeHandler(Effect.andThen(warnOfProxies(admin), app), { scope })

  // To import it loads Node's fetch as well, for the `WebSocket` among its exports: 30 ms.
  const server = process.getBuiltinModule("node:http").createServer({
    requestTimeout: REQUEST_TIMEOUT_MILLIS,
    headersTimeout: REQUEST_TIMEOUT_MILLIS,
    keepAliveTimeout: INACTIVITY_MILLIS,
    connectionsCheckingInterval: REQUEST_TIMEOUT_MILLIS / 2,
    maxHeaderSize: Problem.MAX_HEADER_KIB * 1024,
    requireHostHeader: false
  })
  server.timeout = INACTIVITY_MILLIS
  server.on("connection", (socket) => connections.add(socket))
  // Without a listener for `upgrade` Node serves the request as an ordinary one. An upgraded socket would escape every timeout.
  server.on("request", (request, response) => {
    if (!connections.begin(request.socket, response)) return
    const hosts = request.headersDistinct["host"]?.length ?? 0
    if (hosts > 1 || (hosts === 0 && request.httpVersion !== "1.0")) return refuse(response, Problem.NO_HOST)
    respond(request, response)
  })
  server.on("checkExpectation", (request, response) => {
    if (connections.begin(request.socket, response)) refuse(response, Problem.EXPECTATION)
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    // Gone, or answered already.
    if (!socket.writable) return
    if (connections.isBusy(socket)) return void socket.destroy()
    // What still arrives is not for the parser.
    discard(socket as Net.Socket)
    socket.end(Problem.bytes(Problem.ofCode(error.code)))
    setTimeout(() => socket.destroy(), REFUSAL_LINGER_MILLIS)
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      // In this order: a connection accepted in between would be waited for.
      server.close()
      server.closeAllConnections()
    })
  )
  const bound = yield* listen(server, { host, port }, "admin.port", { exclusive: true })
  yield* Effect.logInfo(`admin on http://${formatAddress(bound.host, bound.port)}`)
  return bound
})

const FORWARDED = ["forwarded", "via", "x-forwarded-for", "x-real-ip"]

/** A proxy on this machine makes a loopback port readable for all that it serves. Warns of the first request that tells. */
const warnOfProxies = (admin: Access.Rules) => {
  let hasWarned = false
  return Effect.gen(function* () {
    if (hasWarned || admin.token_for_reading || !isLoopback(admin.host)) return
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    if (!FORWARDED.some((name) => headers[name] !== undefined)) return
    hasWarned = true
    yield* Effect.logWarning(
      "admin: a proxy passes requests on, so all that it lets in may read: set admin.token_for_reading"
    )
  })
}

/** The connection is closed, because the request may have a body that nobody reads. */
const refuse = (response: ServerResponse, { error, status }: Problem.Problem) => {
  response.writeHead(status, { "content-type": "application/json", connection: "close" })
  response.end(JSON.stringify({ error }))
}

/** Checks access, turns every failure into a JSON response, and sets the security headers. */
const guard = <E, R>(
  served: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  {
    access,
    contentSecurityPolicy,
    trust,
    wrongToken
  }: {
    readonly access: Access.Access
    readonly trust: Trust
    readonly wrongToken: (ip: string) => void
    readonly contentSecurityPolicy: string
  }
) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const asked = accessRequest(request)
    const { authorization, method, path } = asked
    const denial = access(asked)
    if (denial === undefined && !Access.OPEN.has(path)) trust(request)
    const problem =
      denial ??
      (Number(request.headers["content-length"]) > Problem.MAX_BODY_KIB * 1024 ? Problem.TOO_LARGE : undefined)
    const response = problem === undefined ? yield* reportFailures(served, method, path) : Problem.response(problem)
    if (response.status === 401 && authorization !== undefined) wrongToken(ipOf(request))
    return HttpServerResponse.setHeaders(response, {
      "cache-control": response.headers["cache-control"] ?? "no-store",
      "content-security-policy": contentSecurityPolicy,
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      ...(response.status === 401 ? { "www-authenticate": "Bearer" } : {})
    })
  }).pipe(Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.kibibytes(Problem.MAX_BODY_KIB)))

const reportFailures = <E, R>(
  served: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  method: string,
  path: string
) => {
  const request = `${method} ${path}`
  return served.pipe(
    Effect.map((response) => (response.status === 415 ? Problem.response(Problem.NOT_JSON) : response)),
    Effect.catchCause((cause) => {
      for (const reason of cause.reasons) {
        const found = Cause.isDieReason(reason) ? reason.defect : Cause.isFailReason(reason) ? reason.error : undefined
        const problem = problemOf(found, method, path)
        if (problem !== undefined) return Effect.succeed(Problem.response(problem))
      }
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      return Effect.as(Effect.logError(`admin: ${request} failed`, cause), Problem.response(Problem.INTERNAL))
    })
  )
}

const problemOf = (found: unknown, method: string, path: string): Problem.Problem | undefined => {
  if (HttpApiError.HttpApiSchemaError.is(found)) {
    return found.kind === "Body" || found.kind === "ResponseHeaders" ? undefined : Problem.ofSchema(found)
  }
  if (!(found instanceof HttpServerError.HttpServerError)) return undefined
  switch (found.reason._tag) {
    case "RouteNotFound":
      return Problem.notRouted(method, path)
    case "RequestParseError":
      return found.reason.reason === "BodyTooLarge" ? Problem.TOO_LARGE : Problem.UNREADABLE
    default:
      return undefined
  }
}
