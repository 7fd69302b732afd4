import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect } from "../../src/commands/connect.ts"
import * as Notice from "../../src/protocol/Notice.ts"
import * as ConnectCli from "./connect/ConnectCli.ts"
import * as FakeServer from "../support/FakeServer.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Commands from "../support/Commands.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** `connect` is let in: this server logs nothing but this. */
const joined = (server: { readonly logged: (pattern: RegExp) => Effect.Effect<void> }, count: number) =>
  server.logged(new RegExp(`\\(${count} client${count === 1 ? "" : "s"}\\)`))

describe("a pipe into connect", () => {
  it.live("is delivered to its last line, with nothing printed", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const other = yield* TcpClient.connect(server.port)
      yield* joined(server, 1)
      const client = yield* ConnectCli.start([`:${server.port}`])
      client.stdin.end("hi\n\nZoë, unfinished")
      assert.strictEqual(yield* client.exit, 0)
      const contents = (yield* other.lines(3)).map((line) => JSON.parse(line).content)
      assert.deepStrictEqual(contents, ["hi", "", "Zoë, unfinished"])
      assert.strictEqual(client.out() + client.err(), "")
    })
  )

  it.live("sends and prints nothing when it is empty", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess([server.port])
      client.stdin.end()
      const socket = yield* server.accepted
      assert.strictEqual(yield* FakeServer.received(socket), "")
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.out() + client.err(), "")
    })
  )

  it.live("shows what arrives until the server closes", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess([server.port])
      client.stdin.end("hi\n")
      const socket = yield* server.accepted
      yield* FakeServer.ended(socket)
      socket.end('{"remote_addr":"10.0.0.1:5","content":"late"}\nWarning: unfinished')
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.out(), "10.0.0.1:5  late\nWarning: unfinished\n")
    })
  )
})

describe("a pipe out of connect", () => {
  it.live("goes on with --listen until Ctrl-C, as JSON with --json", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const client = yield* ConnectCli.start(["--json", "--listen", `127.0.0.1:${server.port}`])
      client.stdin.end("a line without its end")
      yield* client.said(/^connected to 127\.0\.0\.1:\d+\n$/)
      yield* server.logged(/: a line without its end$/)
      const other = yield* TcpClient.connect(server.port)
      yield* joined(server, 2)
      other.send('{"_version":"1","_payload":"hi","_type":"str"}\nplain\n')
      yield* client.printed(/plain/)
      client.process.kill("SIGINT")
      assert.strictEqual(yield* client.exit, 0)
      assert.deepStrictEqual(
        client
          .out()
          .split("\n", 2)
          .map((line) => JSON.parse(line)),
        [
          {
            kind: "message",
            remote_addr: other.address,
            content: '{"_version":"1","_payload":"hi","_type":"str"}'
          },
          { kind: "message", remote_addr: other.address, content: "plain" }
        ]
      )
    })
  )

  it.live("has the lines as received with --raw, and ends well when the server shuts down", () =>
    Effect.gen(function* () {
      const server = yield* Server.start()
      const client = yield* ConnectCli.inProcess(["--raw", "-l", `:${server.port}`])
      client.stdin.end()
      yield* joined(server, 1)
      const other = yield* TcpClient.connect(server.port)
      yield* joined(server, 2)
      other.send("\u001b[31m red\n")
      yield* client.printed(/red/)
      yield* server.stop
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(
        client.out(),
        `${TcpClient.envelope(other, "\u001b[31m red")}\nWarning: Server is shutting down.\n`
      )
      assert.match(client.err(), /^connected to \S+\ndisconnected from \S+\n$/)
    })
  )

  it.live("ends connect quietly when nobody reads it any more", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.start([server.port], { read: false })
      const socket = yield* server.accepted
      client.stdout.destroy()
      socket.write("Warning: one\n")
      const more = Effect.callback<void>((resume) => {
        socket.write("Warning: more\n", () => resume(Effect.void))
      })
      yield* Effect.forkScoped(Effect.forever(more))
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.err(), "")
    })
  )

  it.live("shows the beginning of an overlong line, says so, and goes on", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess([server.port])
      const socket = yield* server.accepted
      socket.write("x".repeat(3_000_000))
      yield* client.said(/a line of more than 1048576 bytes is cut/)
      socket.write("\nWarning: Server is shutting down.\n")
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.out(), `${"x".repeat(1_048_576)}\nWarning: Server is shutting down.\n`)
    })
  )
})

describe("the exit code of connect", () => {
  it.live("is 2 when nobody listens, with one line that says so", () =>
    Effect.gen(function* () {
      const client = yield* ConnectCli.inProcess(["localhost:1"])
      assert.strictEqual(yield* client.exit, 2)
      assert.strictEqual(client.err(), "error: cannot connect to localhost:1: connection refused (ECONNREFUSED)\n")
      assert.strictEqual(client.out(), "")
    })
  )

  it.live("is 3 when the connection is reset, after all that was received", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess(["--raw", server.port])
      const socket = yield* server.accepted
      socket.write("Warning: one\nunfinished")
      yield* client.printed(/one/)
      socket.resetAndDestroy()
      assert.strictEqual(yield* client.exit, 3)
      assert.strictEqual(client.out(), "Warning: one\nunfinished\n")
      assert.match(client.err(), /^error: lost the connection to \S+: the connection was reset \(ECONNRESET\)\n$/)
    })
  )

  it.live("is 3 when the server closes without a farewell, with the reason it gives", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      for (const [line, reason] of [
        ['{"remote_addr":"a","content":"b"}\n', ""],
        [Notice.IDLE, " (You have been disconnected due to inactivity.)"]
      ] as const) {
        const client = yield* ConnectCli.inProcess([server.port])
        const socket = yield* server.accepted
        socket.end(line)
        assert.strictEqual(yield* client.exit, 3)
        assert.strictEqual(
          client.err(),
          `error: lost the connection to 127.0.0.1:${server.port}: the server closed it${reason}\n`
        )
      }
    })
  )

  it.live("is 3 when the server refuses what was sent to it", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      for (const notice of [Notice.SERVER_FULL, Notice.quarantined(7000), Notice.BACKPRESSURE, Notice.TOO_SLOW]) {
        const client = yield* ConnectCli.inProcess(["--retry", server.port])
        client.stdin.end("hi\n")
        const socket = yield* server.accepted
        yield* FakeServer.ended(socket)
        socket.end(notice)
        assert.strictEqual(yield* client.exit, 3)
      }
    })
  )

  it.live("is 1 for an invalid address, and for a flag with an invalid value", () =>
    Effect.gen(function* () {
      const address = yield* ConnectCli.inProcess(["http://localhost"])
      assert.strictEqual(yield* address.exit, 1)
      assert.match(address.err(), /<address>: "http:\/\/localhost"\. Expected: an address such as localhost:8888/)
      const rate = yield* ConnectCli.inProcess(["--rate", "0"])
      assert.strictEqual(yield* rate.exit, 1)
      assert.match(rate.err(), /--rate.*a number of lines from 1/)
    })
  )
})

describe("lines that connect has lost", () => {
  it.live("are counted and said, with exit code 4", () =>
    Effect.gen(function* () {
      const server = yield* Server.start({ hyper_parameters: { rate_limit_msgs_per_minute: 3 } })
      const client = yield* ConnectCli.inProcess([`:${server.port}`])
      client.stdin.end("1\n2\n3\n4\n5\n")
      assert.strictEqual(yield* client.exit, 4)
      assert.strictEqual(
        client.err(),
        "error: the server did not relay 2 lines sent too quickly (--rate spaces lines)\n"
      )
      assert.strictEqual(client.out(), Notice.RATE_LIMITED.repeat(2))
    })
  )

  it.live("are also those too long to be sent, those refused for what they are, and those read too slowly", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess([server.port])
      client.stdin.end(`${"x".repeat(1_048_577)}\nshort\n`)
      const socket = yield* server.accepted
      assert.strictEqual(yield* FakeServer.received(socket), "short\n")
      socket.end(Notice.oversized(65_536) + Notice.NOT_UTF8 + Notice.messagesDropped(1) + Notice.messagesDropped(41))
      assert.strictEqual(yield* client.exit, 4)
      assert.strictEqual(
        client.err(),
        "error: the server did not relay 2 lines; 1 line of more than 1048576 bytes not sent; 42 lines of others not received: the output was read too slowly\n"
      )
    })
  )
})

describe("the flags of connect", () => {
  it.live("show times and names, and keep quiet about the connection", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess([
        "-l",
        "--time",
        "--name",
        "10.0.0.1=Ada",
        "--name",
        "[::1]:5=Zoë",
        "-q",
        server.port
      ])
      const socket = yield* server.accepted
      socket.end(
        `${['{"remote_addr":"10.0.0.1:5","content":"a"}', '{"remote_addr":"[::1]:5","content":"b"}'].join("\n")}\n${Notice.SHUTTING_DOWN}`
      )
      assert.strictEqual(yield* client.exit, 0)
      assert.match(
        client.out(),
        /^(\d\d:){2}\d\d {2}Ada {2}a\n(\d\d:){2}\d\d {2}Zoë {2}b\n(\d\d:){2}\d\d {2}Warning: Server is shutting down\.\n$/
      )
      assert.strictEqual(client.err(), "")
    })
  )

  it.live("space lines with --rate, and lose none", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.inProcess(["--rate", "6000", server.port])
      client.stdin.end("1\n2\n3\n")
      const socket = yield* server.accepted
      const chunks: Array<string> = []
      socket.setEncoding("utf8").on("data", (text: string) => chunks.push(text))
      yield* FakeServer.ended(socket)
      assert.strictEqual(chunks.join(""), "1\n2\n3\n")
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
    })
  )

  it.effect.each([
    [["--raw", "--json"], "--raw and --json exclude each other"],
    [["--raw", "--time"], "--raw and --time exclude each other"],
    [
      ["--ca", "package.json"],
      "--ca, --cert and --key are for TLS without WebSocket; for wss:// set NODE_EXTRA_CA_CERTS"
    ],
    [["--tls", "--ca", "absent.pem"], "cannot read --ca absent.pem: there is no such file (ENOENT)"]
  ] as const)("are refused where they have no effect: %j", ([args, reason]) =>
    Effect.gen(function* () {
      const { error } = yield* Commands.run(connect, [...args, ":1"], { cwd: process.cwd() })
      assert.strictEqual(error, reason)
    })
  )
})

describe.skipIf(!Certificates.hasOpenssl)(`connect by TLS and WebSocket${Certificates.withOpenssl}`, () => {
  it.live("sends and receives as it does by TCP", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const server = yield* Server.start({ websocket: { port: 0 }, tls: certificates.config })
      const url = server.relay.webSocketUrl!
      const ca = certificates.path("ca.pem")
      const listener = yield* ConnectCli.inProcess(["-l", "--raw", "--tls", "--ca", ca, `:${server.port}`])
      yield* joined(server, 1)
      const other = yield* TcpClient.connect(server.port, { tls: certificates.client() })
      yield* joined(server, 2)
      listener.stdin.end("hello 0\n")
      assert.strictEqual(JSON.parse(yield* other.line).content, "hello 0")
      // Only at its start does Node.js read which authorities to trust.
      const client = yield* ConnectCli.start([url], { env: { NODE_EXTRA_CA_CERTS: ca } })
      client.stdin.end("hello 1\n")
      assert.strictEqual(JSON.parse(yield* other.line).content, "hello 1")
      yield* listener.printed(/hello 1/)
      assert.strictEqual(yield* client.exit, 0, client.err())
      yield* server.stop
      assert.strictEqual(yield* listener.exit, 0)
    })
  )

  it.live("refuses a server whose certificate nobody vouches for", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const server = yield* Server.start({ tls: certificates.config })
      const stranger = yield* ConnectCli.inProcess(["--tls", `:${server.port}`])
      assert.strictEqual(yield* stranger.exit, 2)
      assert.include(stranger.err(), "no trusted authority has signed the certificate of the server")
    })
  )
})
