import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

describe("where a process may open few files", () => {
  it.live(
    "a WebSocket handshake is given up for a newer one when more are under way than the process has room for",
    () =>
      Effect.gen(function* () {
        const directory = yield* Directory.make({ "server.json": { websocket: { port: 0 } } })
        const program = yield* Cli.listening(["--config", "server.json"], { cwd: directory, setup: "ulimit -n 64" })
        const [, url] = yield* program.printed(/listening on (ws:\S+)/)
        const first = yield* TcpClient.connect(Number(new URL(url!).port))
        first.send("GET / HTTP/1.1\r\n")
        // A quarter of the 64 - 32 places is for those who have not arrived.
        for (let i = 0; i < 8; i++) yield* TcpClient.connect(Number(new URL(url!).port))
        assert.deepStrictEqual(yield* first.rest, [])
        yield* program.printed(/connections refused: displaced while arriving/)
        assert.match((yield* WebSocketClient.connect(url!)).answer, /^HTTP\/1\.1 101 /)
      })
  )

  it.live.skipIf(!Certificates.hasOpenssl)(
    `a TLS handshake is possible however many other connections are silent${Certificates.withOpenssl}`,
    () =>
      Effect.gen(function* () {
        const certificates = yield* Certificates.make
        certificates.write("server.json", JSON.stringify({ port: 0, tls: certificates.config }))
        // A quarter of the 64 - 32 places is for those who have not shaken hands.
        const server = yield* Cli.listening([], { cwd: certificates.directory, setup: "ulimit -n 64" })
        const first = yield* TcpClient.connect(server.port)
        for (let i = 0; i < 8; i++) yield* TcpClient.connect(server.port)
        assert.deepStrictEqual(yield* first.rest, [])
        yield* server.printed(/connections refused: displaced while arriving/)
        const a = yield* TcpClient.connect(server.port, { tls: certificates.client() })
        const b = yield* TcpClient.connect(server.port, { tls: certificates.client() })
        yield* TcpClient.settled(a, b)
      })
  )
})
