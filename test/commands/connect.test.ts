import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Net from "node:net"
import * as ConnectCli from "../connect/ConnectCli.ts"
import * as Cli from "../support/Cli.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** A server that does what the test says, with the connections it gets. */
const fakeServer = Effect.gen(function* () {
  const connections = yield* Queue.unbounded<Net.Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
        socket.on("error", () => {})
        Queue.offerUnsafe(connections, socket)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  const accepted = Effect.acquireRelease(Queue.take(connections), (socket) => Effect.sync(() => socket.destroy()))
  return { port: String((server.address() as Net.AddressInfo).port), accepted }
})

/** All that the client sends, from now to its end. */
const received = (socket: Net.Socket) =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part
    })
    socket.once("end", () => resume(Effect.succeed(text))).resume()
  })

/** The next bytes of the client. */
const next = (socket: Net.Socket) =>
  Effect.callback<string>((resume) => {
    socket.once("data", (bytes) => resume(Effect.succeed(String(bytes)))).resume()
  })

const ended = (socket: Net.Socket) =>
  Effect.callback<void>((resume) => void socket.once("end", () => resume(Effect.void)).resume())

/** `connect` is let in: this server logs nothing but this. */
const joined = (server: Cli.Running, count: number) =>
  server.printed(new RegExp(`\\(${count} client${count === 1 ? "" : "s"}\\)`))

describe("a pipe into connect", () => {
  it.live("is delivered to its last line, with nothing printed", () =>
    Effect.gen(function* () {
      const server = yield* Cli.listening()
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

  it.live("that is empty sends and prints nothing", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port])
      client.stdin.end()
      const socket = yield* server.accepted
      assert.strictEqual(yield* received(socket), "")
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.out() + client.err(), "")
    })
  )

  it.live("shows what arrives until the server closes", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port])
      client.stdin.end("hi\n")
      const socket = yield* server.accepted
      yield* ended(socket)
      socket.end('{"remote_addr":"10.0.0.1:5","content":"late"}\nWarning: unfinished')
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.out(), "10.0.0.1:5  late\nWarning: unfinished\n")
    })
  )

  it.live("is read no faster than the server takes it", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port])
      const socket = yield* server.accepted
      const text = `${"x".repeat(1023)}\n`.repeat(32 * 1024)
      let isTaken = false
      client.stdin.end(text, () => {
        isTaken = true
      })
      yield* quiet(() => client.stdin.writableLength + socket.bytesRead)
      assert.isFalse(isTaken)
      assert.strictEqual((yield* received(socket)).length, text.length)
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
    })
  )
})

describe("a pipe out of connect", () => {
  it.live("goes on with --listen, as JSON with --json, until Ctrl-C", () =>
    Effect.gen(function* () {
      const server = yield* Cli.listening()
      const client = yield* ConnectCli.start(["--json", "--listen", `127.0.0.1:${server.port}`])
      client.stdin.end("a line without its end")
      yield* client.said(/^connected to 127\.0\.0\.1:\d+\n$/)
      yield* server.printed(/: a line without its end\n/)
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
      const server = yield* Cli.listening()
      const client = yield* ConnectCli.start(["--raw", "-l", `:${server.port}`])
      client.stdin.end()
      yield* joined(server, 1)
      const other = yield* TcpClient.connect(server.port)
      yield* joined(server, 2)
      other.send("\u001b[31m red\n")
      yield* client.printed(/red/)
      server.process.kill("SIGTERM")
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(
        client.out(),
        `${TcpClient.envelope(other, "\u001b[31m red")}\nWarning: Server is shutting down.\n`
      )
      assert.match(client.err(), /^connected to \S+\ndisconnected from \S+\n$/)
    })
  )

  it.live("that nobody reads any more ends it quietly", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port], { read: false })
      const socket = yield* server.accepted
      client.stdout.destroy()
      socket.write("Warning: one\n")
      yield* Effect.forkScoped(Effect.forever(Effect.sync(() => socket.write("Warning: more\n"))))
      assert.strictEqual(yield* client.exit, 0)
      assert.strictEqual(client.err(), "")
    })
  )

  it.live("that is not read holds the server back", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start(["--raw", server.port], { read: false })
      const socket = yield* server.accepted
      const line = `${"x".repeat(1023)}\n`
      const count = 32 * 1024
      let isTaken = false
      socket.end(line.repeat(count), () => {
        isTaken = true
      })
      yield* quiet(() => socket.bytesWritten - socket.writableLength)
      assert.isFalse(isTaken)
      let length = 0
      client.stdout.on("data", (bytes: Buffer) => {
        length += bytes.length
      })
      assert.strictEqual(yield* client.exit, 3)
      assert.strictEqual(length, line.length * count)
    })
  )

  it.live("shows the beginning of an overlong line, says so, and goes on", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port])
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

/** Waits until a number stays the same for a while: something has stopped. */
const quiet = Effect.fnUntraced(function* (progress: () => number) {
  for (let last = NaN, same = 0; same < 4;) {
    yield* Effect.sleep("50 millis")
    const now = progress()
    same = now === last ? same + 1 : 0
    last = now
  }
})

describe("an exit code", () => {
  it.live("is 2 when nobody listens, with one line that says so", () =>
    Effect.gen(function* () {
      const client = yield* ConnectCli.start(["localhost:1"])
      assert.strictEqual(yield* client.exit, 2)
      assert.strictEqual(client.err(), "error: cannot connect to localhost:1: nobody listens there (ECONNREFUSED)\n")
      assert.strictEqual(client.out(), "")
    })
  )

  it.live("is 3 when the connection is reset, after all that was received", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start(["--raw", server.port])
      const socket = yield* server.accepted
      socket.write("Warning: one\nunfinished")
      yield* client.printed(/one/)
      socket.resetAndDestroy()
      assert.strictEqual(yield* client.exit, 3)
      assert.strictEqual(client.out(), "Warning: one\nunfinished\n")
      assert.match(client.err(), /^error: lost the connection to \S+: the connection was reset \(ECONNRESET\)\n$/)
    })
  )

  it.live("is 3 when the server closes with anything but a farewell", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start([server.port])
      const socket = yield* server.accepted
      socket.end("Warning: You have been disconnected due to inactivity.\n")
      assert.strictEqual(yield* client.exit, 3)
      assert.match(client.err(), /^error: lost the connection to \S+: the server closed it\n$/)
    })
  )

  it.live("is 1 for an address that is none, and for --raw together with --json", () =>
    Effect.gen(function* () {
      const address = yield* ConnectCli.start(["http://localhost"])
      assert.strictEqual(yield* address.exit, 1)
      assert.match(address.err(), /<address>: "http:\/\/localhost"\. Expected: an address such as localhost:8888/)
      const flags = yield* ConnectCli.start(["--raw", "--json"])
      assert.strictEqual(yield* flags.exit, 1)
      assert.match(flags.err(), /--raw and --json exclude each other/)
    })
  )
})

describe("--retry", () => {
  it.live("finds the server again after a restart, and says what it does", () =>
    Effect.gen(function* () {
      const first = yield* Cli.listening()
      const client = yield* ConnectCli.start(["--retry", "--listen", `:${first.port}`])
      client.stdin.end()
      yield* joined(first, 1)
      first.process.kill("SIGTERM")
      yield* client.said(/the server closed it; next attempt in 0\.[23] s\n/)
      yield* first.exit
      const second = yield* Cli.listening(["--port", String(first.port)])
      yield* client.said(/\nconnected [^]*\nconnected /)
      const other = yield* TcpClient.connect(second.port)
      yield* joined(second, 2)
      other.send("still there?\n")
      yield* client.printed(/still there\?/)
    })
  )

  it.live("sends each line whole or not at all", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start(["--retry", server.port])
      client.stdin.write("one\ntw")
      const first = yield* server.accepted
      assert.strictEqual(yield* next(first), "one\ntw")
      first.resetAndDestroy()
      const second = yield* server.accepted
      client.stdin.end("o\nthree\n")
      assert.strictEqual(yield* received(second), "three\n")
      second.end()
      assert.strictEqual(yield* client.exit, 0)
      assert.match(client.err(), /the line that was being sent is cut/)
    })
  )

  it.live("does not hide that the answer to everything sent was lost", () =>
    Effect.gen(function* () {
      const server = yield* fakeServer
      const client = yield* ConnectCli.start(["--retry", server.port])
      client.stdin.end("hi\n")
      const socket = yield* server.accepted
      yield* ended(socket)
      socket.resetAndDestroy()
      assert.strictEqual(yield* client.exit, 3)
    })
  )
})
