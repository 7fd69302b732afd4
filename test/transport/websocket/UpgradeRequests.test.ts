import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as DiagnosticsChannel from "node:diagnostics_channel"
import * as UpgradeRequests from "../../../src/transport/websocket/UpgradeRequests.ts"
import * as FakeServer from "../../support/FakeServer.ts"
import * as Server from "../../support/Server.ts"
import * as TcpClient from "../../support/TcpClient.ts"

/** Published by Node.js for each request that it has parsed. */
const PARSED = "http.server.request.start"

describe("the first request of a WebSocket client", () => {
  it.live("is the only one that is parsed, however many follow it", () =>
    Effect.gen(function* () {
      const parsed: Array<unknown> = []
      const onParsed = (message: unknown) => void parsed.push((message as { readonly socket: unknown }).socket)
      yield* Effect.acquireRelease(
        Effect.sync(() => DiagnosticsChannel.subscribe(PARSED, onParsed)),
        () => Effect.sync(() => DiagnosticsChannel.unsubscribe(PARSED, onParsed))
      )
      const server = yield* FakeServer.fakeServer
      const client = yield* TcpClient.connect(Number(server.port))
      const socket = yield* server.accepted
      const read = yield* UpgradeRequests.make
      const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      client.send(request)
      assert.isFalse((yield* read(socket)).isUpgrade)
      const further = request.repeat(100)
      client.send(further)
      yield* Server.until(() => socket.bytesRead === request.length + further.length)
      assert.strictEqual(parsed.filter((each) => each === socket).length, 1)
    })
  )
})
