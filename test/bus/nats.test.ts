import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { ServerConfig } from "../../src/ServerConfig.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as NatsServer from "./NatsServer.ts"

const relay = Effect.fnUntraced(function* (name: string, servers: string | ReadonlyArray<string>, nats = {}) {
  const log: Array<string> = []
  const context = yield* Layer.build(
    RelayServer.layerConfig.pipe(
      Layer.provide(ServerConfig.layerTest({ port: 0, cluster: { nats: { servers, name, ...nats } } })),
      Layer.provide(RelayLogger.layerTest(log))
    )
  )
  const server = yield* Effect.provideContext(RelayServer, context)
  return { server, log }
})

describe.skipIf(!NatsServer.isInstalled)("NatsBus", () => {
  it.live("carries", () =>
    Effect.gen(function* () {
      const nats = yield* NatsServer.started()
      const a = yield* relay("a", nats.url)
      const b = yield* relay("b", nats.url)
      const ca = yield* TcpClient.connect(a.server.address.port)
      const cb = yield* TcpClient.connect(b.server.address.port)
      yield* TcpClient.settled(ca, cb)
      ca.send("hello\n")
      console.log(yield* cb.line)
      console.log(yield* b.server.cluster.peers, yield* a.server.cluster.stats, yield* b.server.cluster.clients)
      console.log(a.log, b.log)
      assert.isTrue(true)
    })
  )
})
