/** An HTTP server of a program around the relay. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { createServer, type Server } from "node:http"
import type * as Https from "node:https"
import type * as Net from "node:net"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer, type Setup } from "../../src/RelayServer.ts"
import type { Options } from "../../src/config/ServerConfig.ts"

type LogOptions = Parameters<typeof RelayLogger.layerTest>[1]

/** Listens on a free port until the scope ends, and then cuts its connections. */
export const listen = <S extends Server | Https.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        server.closeAllConnections()
      })
  )

/** Serves the routes of an Effect program; the port. */
export const serve = Effect.fnUntraced(function* (routes: Layer.Layer<never, never, HttpRouter.HttpRouter>) {
  const server = createServer()
  yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
    )
  )
  return (server.address() as Net.AddressInfo).port
}, Effect.orDie)

/** A relay with parts of its own, and its log, whole unless `logger` says otherwise. */
export const relay = Effect.fnUntraced(function* (options: Options, setup: Setup, logger: LogOptions = {}) {
  const lines: Array<string> = []
  const context = yield* Layer.build(
    RelayServer.layer({ port: 0, ...options }, setup).pipe(Layer.provide(RelayLogger.layerTest(lines, logger)))
  )
  return { lines, relay: (yield* Effect.provideContext(RelayServer, context)) as RelayServer["Service"] }
})
