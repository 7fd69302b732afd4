/**
 * The relay beside an HTTP server that shows its events, and a database that keeps its lines. On SIGTERM they end in order: the relay tells
 * its clients, the event streams end with what it did last, the database is closed.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { RelayServer, type RelayEvent } from "summoner-server/RelayServer"

/** Stands for a real one. */
class Database extends Context.Service<Database, { readonly insert: (line: string) => void }>()("Database") {
  static readonly layer = Layer.effect(
    Database,
    Effect.acquireRelease(
      Effect.sync(() => {
        const lines: Array<string> = []
        return { lines, insert: (line: string) => void lines.push(line) }
      }),
      ({ lines }) => Effect.sync(() => console.log("database closed, lines:", lines.length))
    )
  )
}

/** An HTTP server: every request is answered with the events of the relay. */
class EventStreams extends Context.Service<EventStreams, { readonly send: (data: object) => void }>()("EventStreams") {
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function* () {
      const viewers = new Set<Http.ServerResponse>()
      const server = Http.createServer((_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders()
        viewers.add(response.on("close", () => viewers.delete(response)))
      })
      yield* Effect.acquireRelease(
        Effect.callback<void>((resume) => {
          server.listen(Number(process.env["HTTP_PORT"] ?? 8080), "127.0.0.1", () => resume(Effect.void))
        }),
        () =>
          Effect.callback<void>((resume) => {
            for (const viewer of viewers) viewer.end()
            server.close(() => resume(Effect.void))
            server.closeIdleConnections()
          })
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => console.log("event streams ended")))
      console.log("events on port", (server.address() as AddressInfo).port)
      return {
        send: (data) => {
          for (const viewer of viewers) viewer.write(`data: ${JSON.stringify(data)}\n\n`)
        }
      }
    })
  )
}

/** Follows the relay for as long as that has events, which is until after its last client has gone. */
class Recorder extends Context.Service<
  Recorder,
  { readonly follow: (events: Stream.Stream<RelayEvent>) => Effect.Effect<void> }
>()("Recorder") {
  static readonly layer = Layer.effect(
    Recorder,
    Effect.gen(function* () {
      const { insert } = yield* Database
      const { send } = yield* EventStreams
      const following = yield* FiberSet.make<void>()
      yield* Effect.addFinalizer(() => FiberSet.awaitEmpty(following))
      const run = yield* FiberSet.runtime(following)<never>()
      const record = (event: RelayEvent) =>
        Effect.sync(() => {
          if (event._tag === "Relayed") insert(event.content)
          send(event)
        })
      return { follow: (events) => Effect.sync(() => void run(Stream.runForEach(events, record))) }
    })
  )
}

/** Built last, and so the first to end. The relay opens once its events are followed. */
const Relay = Layer.effectDiscard(
  Effect.gen(function* () {
    const relay = yield* RelayServer
    const recorder = yield* Recorder
    yield* recorder.follow(relay.events)
    yield* relay.open
  })
).pipe(Layer.provide(RelayServer.layer({ port: Number(process.env["PORT"] ?? 8888) }, { startsClosed: true })))

const Main = Relay.pipe(Layer.provide(Recorder.layer), Layer.provide(EventStreams.layer), Layer.provide(Database.layer))

/** A signal is how it is meant to end. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => onExit(code === 130 ? 0 : code))

NodeRuntime.runMain(Layer.launch(Main), { teardown })
