/**
 * The relay inside an Effect application: it starts and stops with the application's Layers, greets who comes, and counts what is
 * said.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { RelayServer } from "summoner-server/RelayServer"

const Greeter = Layer.effectDiscard(
  Effect.gen(function* () {
    const relay = yield* RelayServer
    const greet = relay.changes.pipe(
      Stream.filter((change) => change._tag === "Connected"),
      Stream.runForEach(({ client }) => relay.broadcast(`welcome, ${client.address}`, { from: "greeter" }))
    )
    yield* Effect.forkScoped(greet)
  })
)

const Scribe = Layer.effectDiscard(
  Effect.gen(function* () {
    const relay = yield* RelayServer
    let characters = 0
    const listen = Stream.runForEach(relay.messages, ({ content }) =>
      Effect.sync(() => {
        characters += content.length
      })
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => console.log(`characters said: ${characters}`)))
    yield* Effect.forkScoped(listen)
  })
)

const Main = Layer.merge(Greeter, Scribe).pipe(
  Layer.provide(RelayServer.layer({ port: Number(process.env["PORT"] ?? 8888) }))
)

NodeRuntime.runMain(Layer.launch(Main))
