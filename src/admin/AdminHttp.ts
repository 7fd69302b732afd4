/** The admin server: `Operations` over Effect's HTTP server. Loaded only where it is configured. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
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
import * as Stream from "effect/Stream"
import { createServer, type RequestListener } from "node:http"
import type * as Net from "node:net"
import type { ServerConfig } from "../config/ServerConfig.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { formatAddress } from "../net/IpAddress.ts"
import { type BoundAddress, ListenError } from "../session/Listener.ts"
import type { Operations } from "../session/Operations.ts"
import * as EventLoopLag from "../telemetry/EventLoopLag.ts"
import * as MetricRegistration from "../telemetry/MetricRegistration.ts"
import * as ProcessMetrics from "../telemetry/ProcessMetrics.ts"
import * as Access from "./Access.ts"
import { AdminApi, Impossible, NotFound } from "./AdminApi.ts"
import { AdminConnections } from "./AdminConnections.ts"
import * as ApiViews from "./ApiViews.ts"
import * as Dashboard from "./Dashboard.ts"
import * as EventStream from "./EventStream.ts"

/** Concurrent event streams. The next one gets a 503. */
export const MAX_EVENT_STREAMS = 16

/** Time for the headers, and for the whole of a request, to arrive, in milliseconds. */
const REQUEST_TIMEOUT_MILLIS = 10_000

/** Inactivity after which a connection is closed, in milliseconds, so that a vanished browser holds no event stream. */
const INACTIVITY_MILLIS = 60_000

/** Time for which event streams share the same statistics, in milliseconds: with many clients they are costly to compute. */
const STATS_TTL_MILLIS = 500

/** The largest body of a request. */
const MAX_BODY = ByteSize.kibibytes(64)

/**
 * Listens and serves until the scope ends, which closes open connections at once.
 *
 * @returns the bound address; fails with `ListenError`
 */
export const serve = Effect.fnUntraced(function* ({
  admin,
  operations,
  port
}: {
  readonly admin: ServerConfig["Service"]["admin"]
  readonly port: number
  readonly operations: Operations
}) {
  const { host } = admin
  const logger = yield* Effect.serviceOption(RelayLogger)
  const lag = yield* EventLoopLag.make
  yield* ProcessMetrics.register(lag.latestUnsafe)
  const dashboard = yield* Dashboard.load
  const stats = Effect.all({
    at: DateTime.nowAsDate,
    state: operations.state,
    stats: operations.stats,
    bus: operations.cluster.stats,
    peers: operations.cluster.peers
  }).pipe(
    Effect.map((now) =>
      ApiViews.stats({
        ...now,
        lag: lag.latestUnsafe(),
        logLinesDropped: Option.match(logger, { onNone: () => 0, onSome: ({ droppedUnsafe }) => droppedUnsafe() })
      })
    )
  )

  const server = createServer({
    requestTimeout: REQUEST_TIMEOUT_MILLIS,
    headersTimeout: REQUEST_TIMEOUT_MILLIS,
    connectionsCheckingInterval: REQUEST_TIMEOUT_MILLIS / 2
  })
  server.timeout = INACTIVITY_MILLIS
  const connections = new AdminConnections()
  server.on("connection", (socket) => connections.add(socket))
  const { counter } = yield* MetricRegistration.make
  for (const reason of ["displaced", "pipelined"] as const) {
    const description = "Connections to the admin server that the server closed, by reason."
    counter("summoner_admin_callers_cut_total", description, () => connections.closedUnsafe(reason), { reason })
  }
  const routes = Layer.mergeAll(
    probes(operations),
    PrometheusMetrics.layerHttp(),
    HttpRouter.add("GET", "/", HttpServerResponse.html(dashboard.html)),
    events(EventStream.make(operations, yield* Effect.cachedWithTTL(stats, STATS_TTL_MILLIS))),
    HttpApiBuilder.layer(AdminApi, { openapiPath: "/api/openapi.json" }).pipe(
      Layer.provide([observe(operations, stats), act(operations)])
    ),
    guard(Access.make(admin), connections, dashboard.contentSecurityPolicy)
  )
  yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(
        NodeHttpServer.layer(() => server, { host, port, exclusive: true, disablePreemptiveShutdown: true })
      ),
      Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize, MAX_BODY))
    )
  ).pipe(
    Effect.catchTag("ServeError", ({ cause }) => {
      const { code, message } = cause as NodeJS.ErrnoException
      return Effect.fail(new ListenError({ host, port, code: code ?? message, key: "admin.port" }))
    })
  )
  // An upgraded socket escapes every timeout and `closeAllConnections`. Without a listener Node serves the request as an ordinary one.
  server.removeAllListeners("upgrade")
  for (const event of ["request", "checkContinue"]) {
    const [serveRequest] = server.listeners(event) as [RequestListener]
    server.removeAllListeners(event)
    server.on(event, ((request, response) => {
      if (connections.begin(request.socket, response)) serveRequest(request, response)
    }) satisfies RequestListener)
  }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      // In this order: a connection accepted in between would be waited for.
      server.close()
      server.closeAllConnections()
    })
  )
  const bound = server.address() as Net.AddressInfo
  yield* Effect.logInfo(`admin on http://${formatAddress(bound.address, bound.port)}`)
  return { host: bound.address, port: bound.port } satisfies BoundAddress
})

const probes = (operations: Operations) =>
  Layer.merge(
    HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n")),
    HttpRouter.add(
      "GET",
      "/readyz",
      Effect.map(Effect.all([operations.state, operations.cluster.stats]), ([state, bus]) => {
        // New clients would reach only those of this process.
        const readiness = state === "ready" && bus.state === "down" ? "alone" : state
        return HttpServerResponse.text(`${readiness}\n`, { status: readiness === "ready" ? 200 : 503 })
      })
    )
  )

const events = (stream: Stream.Stream<string>) => {
  let open = 0
  return HttpRouter.add(
    "GET",
    "/api/events",
    Effect.gen(function* () {
      if (open >= MAX_EVENT_STREAMS) return problem(503, `too many event streams: ${MAX_EVENT_STREAMS} at once`)
      // The scope of a request ends when its response has ended.
      yield* Effect.acquireRelease(
        Effect.sync(() => open++),
        () => Effect.sync(() => open--)
      )
      return HttpServerResponse.stream(Stream.encodeText(stream), { contentType: "text/event-stream" })
    })
  )
}

const observe = (operations: Operations, stats: Effect.Effect<ReturnType<typeof ApiViews.stats>>) =>
  HttpApiBuilder.group(AdminApi, "observe", (handlers) =>
    handlers.handleAll({
      stats: () => stats,
      clients: Effect.fnUntraced(function* ({ query: { scope, ...query } }) {
        if (scope !== "room") {
          return { ...ApiViews.clients(yield* operations.clients, query), silent: [], omitted: 0 }
        }
        const { clients, ...others } = yield* operations.cluster.clients
        return { ...ApiViews.clients(clients, query), ...others }
      }),
      quarantined: ({ query }) =>
        Effect.map(operations.quarantine.list, (entries) => ApiViews.quarantined(entries, query))
    })
  )

/** Every action is logged with the address that asked for it. */
const act = (operations: Operations) =>
  HttpApiBuilder.group(AdminApi, "act", (handlers) =>
    handlers.handleAll({
      disconnect: ({ payload: { address, ...options } }) =>
        operations.disconnect(address, options).pipe(
          Effect.catchTags({
            ClientNotFound: ({ message }) => Effect.fail(new NotFound({ error: message })),
            MessageRejected: ({ message }) => Effect.fail(new Impossible({ error: message })),
            QuarantineRejected: ({ message }) => Effect.fail(new Impossible({ error: message }))
          }),
          Effect.andThen(audit(`disconnect ${address}${options.quarantine === true ? " and quarantine it" : ""}`))
        ),
      quarantine: ({ payload: { key } }) =>
        operations.quarantine.add(key).pipe(
          Effect.catchTag("QuarantineRejected", ({ message }) => Effect.fail(new Impossible({ error: message }))),
          Effect.andThen(audit(`quarantine ${key}`))
        ),
      lift: ({ payload: { key } }) =>
        Effect.flatMap(operations.quarantine.lift(key), (wasKept) =>
          wasKept
            ? audit(`lift the quarantine of ${key}`)
            : Effect.fail(new NotFound({ error: `${JSON.stringify(key)} is not in quarantine` }))
        ),
      drain: () => Effect.andThen(operations.drain, audit("drain")),
      undrain: () => Effect.andThen(operations.undrain, audit("undrain"))
    })
  )

const audit = (action: string) =>
  Effect.gen(function* () {
    const { remoteAddress } = yield* HttpServerRequest.HttpServerRequest
    yield* Effect.logInfo(`admin ${Option.getOrElse(remoteAddress, () => "?")}: ${action}`)
    return { done: true }
  })

const problem = (status: number, error: string) => HttpServerResponse.jsonUnsafe({ error }, { status })

/** Checks access, turns every failure into a JSON response, and sets the security headers. */
const guard = (decide: ReturnType<typeof Access.make>, connections: AdminConnections, contentSecurityPolicy: string) =>
  HttpRouter.middleware(
    (served) =>
      Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const { headers, method, url } = request
        const path = url.replace(/[?#].*$/s, "")
        const denial = decide({ method, path, host: headers["host"], authorization: headers["authorization"] })
        if (denial === undefined && !Access.OPEN.has(path)) {
          connections.trust(NodeHttpServerRequest.toIncomingMessage(request).socket)
        }
        const response =
          denial === undefined
            ? yield* reportFailures(served, `${method} ${path}`)
            : problem(denial.status, denial.error)
        return HttpServerResponse.setHeaders(response, {
          "cache-control": "no-store",
          "content-security-policy": contentSecurityPolicy,
          "referrer-policy": "no-referrer",
          "x-content-type-options": "nosniff",
          ...(denial?.status === 401 ? { "www-authenticate": "Bearer" } : {})
        })
      }),
    { global: true }
  )

const reportFailures = <E, R>(served: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>, request: string) =>
  Effect.catchCause(served, (cause) => {
    for (const reason of cause.reasons) {
      const found = Cause.isDieReason(reason) ? reason.defect : Cause.isFailReason(reason) ? reason.error : undefined
      if (HttpApiError.HttpApiSchemaError.is(found)) return Effect.succeed(problem(400, found.cause.message))
      switch (found instanceof HttpServerError.HttpServerError ? found.reason._tag : undefined) {
        case "RouteNotFound":
          return Effect.succeed(problem(404, `there is no ${request}`))
        case "RequestParseError":
          return Effect.succeed(problem(400, "the body cannot be read; expected JSON of at most 64 KiB"))
      }
    }
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    return Effect.as(Effect.logError(`admin: ${request} failed`, cause), problem(500, "internal error"))
  })
