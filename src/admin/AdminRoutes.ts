import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { show } from "../config/redact.ts"
import type { Operations } from "../session/Operations.ts"
import type * as Access from "./Access.ts"
import { AdminApi, Impossible, NotFound, type Stats } from "./AdminApi.ts"
import * as ApiViews from "./ApiViews.ts"
import * as Problem from "./Problem.ts"

/** Concurrent event streams. The next one gets a 503. */
export const MAX_EVENT_STREAMS = 16

/** Whether the server lives, and whether it takes clients. */
export const probes = (operations: Operations) =>
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

/** Has proxies pass each event on at once: nginx would collect them, and a compressor keep them. */
const UNBUFFERED = { "cache-control": "no-store, no-transform", "x-accel-buffering": "no" }

/** The event streams, which share one limit. Messages need the token everywhere: they are what clients say to each other. */
export const eventStreams = ({
  access,
  ended,
  events,
  messages
}: {
  readonly events: Stream.Stream<string>
  readonly messages: Stream.Stream<string>
  readonly access: Access.Access
  readonly ended: Effect.Effect<void>
}) => {
  let open = 0
  const respond = (stream: Stream.Stream<string>) =>
    Effect.gen(function* () {
      if (open >= MAX_EVENT_STREAMS) {
        return Problem.response({ status: 503, error: `too many event streams: ${MAX_EVENT_STREAMS} at once` })
      }
      // The scope of a request ends when its response has ended.
      yield* Effect.acquireRelease(
        Effect.sync(() => open++),
        () => Effect.sync(() => open--)
      )
      return HttpServerResponse.stream(Stream.encodeText(Stream.interruptWhen(stream, ended)), {
        contentType: "text/event-stream",
        headers: UNBUFFERED
      })
    })
  return Layer.merge(
    HttpRouter.add("GET", "/api/events", respond(events)),
    HttpRouter.add(
      "GET",
      "/api/messages",
      Effect.gen(function* () {
        // Here and not by its path in `guard`: the router takes several spellings of a path.
        const denial = access(accessRequest(yield* HttpServerRequest.HttpServerRequest), true)
        if (denial !== undefined) return Problem.response(denial)
        const response = yield* respond(messages)
        if (response.status === 200) yield* audit("read messages")
        return response
      })
    )
  )
}

export const observe = (
  operations: Operations,
  stats: Effect.Effect<typeof Stats.Type>,
  history: Effect.Effect<string>
) =>
  HttpApiBuilder.group(AdminApi, "observe", (handlers) =>
    handlers.handleAll({
      stats: () => stats,
      history: () => Effect.map(history, (json) => HttpServerResponse.text(json, { contentType: "application/json" })),
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
export const act = (operations: Operations) =>
  HttpApiBuilder.group(AdminApi, "act", (handlers) =>
    handlers.handleAll({
      disconnect: ({ payload: { address, ...options } }) =>
        operations.disconnect(address, options).pipe(
          Effect.catchTags({
            ClientNotFound: ({ message }) => Effect.fail(new NotFound({ error: message })),
            MessageRejected: impossible,
            QuarantineRejected: impossible
          }),
          Effect.andThen(audit(`disconnect ${address}${options.quarantine === true ? " and quarantine it" : ""}`))
        ),
      quarantine: ({ payload: { key } }) =>
        operations.quarantine
          .add(key)
          .pipe(Effect.catchTag("QuarantineRejected", impossible), Effect.andThen(audit(`quarantine ${key}`))),
      lift: ({ payload: { key } }) =>
        Effect.flatMap(operations.quarantine.lift(key), (wasKept) =>
          wasKept
            ? audit(`lift the quarantine of ${key}`)
            : Effect.fail(new NotFound({ error: `${show(key)} is not in quarantine` }))
        ),
      broadcast: ({ payload: { content, from } }) =>
        operations
          .broadcast(content, { from })
          .pipe(
            Effect.catch(impossible),
            Effect.andThen(
              audit(`broadcast ${content.length} characters${from === undefined ? "" : ` as ${show(from)}`}`)
            )
          ),
      token: () => Effect.succeed({ done: true }),
      drain: () => Effect.andThen(operations.drain, audit("drain")),
      undrain: () => Effect.andThen(operations.undrain, audit("undrain"))
    })
  )

const impossible = ({ message }: { readonly message: string }) => Effect.fail(new Impossible({ error: message }))

const audit = (action: string) =>
  Effect.gen(function* () {
    yield* Effect.logInfo(`admin ${ipOf(yield* HttpServerRequest.HttpServerRequest)}: ${action}`)
    return { done: true }
  })

export const ipOf = ({ remoteAddress }: HttpServerRequest.HttpServerRequest) =>
  Option.getOrElse(remoteAddress, () => "?")

export const accessRequest = ({ headers, method, url }: HttpServerRequest.HttpServerRequest): Access.AccessRequest => ({
  method,
  path: url.replace(/[?#].*$/s, ""),
  host: headers["host"],
  authorization: headers["authorization"],
  site: headers["sec-fetch-site"]
})
