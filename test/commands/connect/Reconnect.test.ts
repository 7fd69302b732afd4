import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Ports from "../../support/Ports.ts"
import * as TcpClient from "../../support/TcpClient.ts"
import * as ConnectCli from "./ConnectCli.ts"
import * as FakeServer from "../../support/FakeServer.ts"
import * as Server from "../../support/Server.ts"

describe("connect --retry", () => {
  it.live("finds the server again after a restart, and says what it does", () =>
    Effect.gen(function* () {
      const port = yield* Ports.lasting
      const first = yield* Server.start({ port })
      const client = yield* ConnectCli.inProcess(["--retry", "--listen", `:${port}`])
      client.stdin.end()
      yield* first.logged(/\(1 client\)/)
      yield* first.stop
      yield* client.said(/the server closed it \(Server is shutting down\.\); next attempt in 0\.[23] s\n/)
      const second = yield* Server.start({ port })
      yield* client.said(/^connected [^]*\nconnected /)
      const other = yield* TcpClient.connect(second.port)
      yield* second.logged(/\(2 clients\)/)
      other.send("still there?\n")
      yield* client.printed(/still there\?/)
    })
  )

  it.live("sends each line whole or not at all", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess(["--retry", server.port])
      client.stdin.write("one\ntw")
      const first = yield* server.accepted
      yield* FakeServer.gets(first, "one\n")
      first.resetAndDestroy()
      const second = yield* server.accepted
      client.stdin.end("o\nthree\n")
      assert.strictEqual(yield* FakeServer.received(second), "two\nthree\n")
      second.end()
      assert.strictEqual(yield* client.exit, 0)
    })
  )

  it.live("does not hide that the answer to everything sent was lost", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess(["--retry", server.port])
      client.stdin.end("hi\n")
      const socket = yield* server.accepted
      yield* FakeServer.ended(socket)
      socket.resetAndDestroy()
      assert.strictEqual(yield* client.exit, 3)
    })
  )
})
