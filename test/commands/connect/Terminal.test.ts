import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ConnectCli from "./ConnectCli.ts"
import * as FakeServer from "../../support/FakeServer.ts"

describe.skipIf(ConnectCli.noTerminal !== undefined)(
  `connect on a terminal${ConnectCli.noTerminal === undefined ? "" : ` (skipped: ${ConnectCli.noTerminal})`}`,
  { concurrent: true },
  () => {
    const envelope = (content: string) => `{"remote_addr":"10.0.0.1:5","content":${JSON.stringify(content)}}\n`

    const chatting = Effect.fnUntraced(function* (args: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}) {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.startOnTerminal([server.port, ...args], { env })
      const socket = yield* server.accepted
      yield* client.shows(/^connected to \S+\n>$/)
      return { ...client, server, socket }
    })

    it.live("shows what arrives above the line that is being typed, and leaves that line alone", () =>
      Effect.gen(function* () {
        const { screen, shows, socket, type } = yield* chatting()
        yield* type("half a li")
        yield* shows(/\n> half a li$/)
        socket.write(envelope("hello") + envelope("again"))
        yield* shows(/\n10\.0\.0\.1:5 {2}hello\n10\.0\.0\.1:5 {2}again\n> half a li$/)
        yield* type("ne\r")
        yield* FakeServer.gets(socket, "half a line\n")
        yield* shows(/\n> half a line\n>$/)
        assert.lengthOf(screen().split("\n"), 5)
      })
    )

    it.live("keeps a line longer than the terminal is wide whole, and the cursor where it was", () =>
      Effect.gen(function* () {
        const { shows, socket, type } = yield* chatting()
        const long = "0123456789".repeat(13)
        yield* type(long)
        yield* shows(/0123456789$/)
        socket.write(envelope("one"))
        yield* shows(/\n10\.0\.0\.1:5 {2}one\n> [0-9]{58}\n[0-9]{60}\n[0-9]{12}$/)
        // Ctrl-A goes to the beginning of the line.
        yield* type("\u0001")
        socket.write(envelope("two"))
        yield* shows(/one\n10\.0\.0\.1:5 {2}two\n> [0-9]{58}\n[0-9]{60}\n[0-9]{12}$/)
        yield* type("X\r")
        yield* FakeServer.gets(socket, `X${long}\n`)
      })
    )

    it.live("lets lines be edited, and recalled with the arrow keys", () =>
      Effect.gen(function* () {
        const { socket, type } = yield* chatting()
        yield* type("helo\u001b[Dl\r")
        yield* FakeServer.gets(socket, "hello\n")
        yield* type("\u001b[A, world\r")
        yield* FakeServer.gets(socket, "hello, world\n")
      })
    )

    it.live("takes what a person sees as one character for one, however many code points it has", () =>
      Effect.gen(function* () {
        const { socket, type } = yield* chatting()
        const family = "👩‍👩‍👧"
        yield* type(`a${family}\u007fb\r`)
        yield* FakeServer.gets(socket, "ab\n")
        // An accent that is a code point of its own; left of both, Delete takes the flag.
        yield* type("e\u0301🇫🇷x\u001b[D\u001b[D\u001b[3~\u001b[D\u001b[C!\r")
        yield* FakeServer.gets(socket, "e\u0301!x\n")
      })
    )

    it.live("redraws a wrapped line that is being typed in its place when the terminal is resized", () =>
      Effect.gen(function* () {
        const { resize, screen, shows, socket, type } = yield* chatting()
        const long = "0123456789".repeat(13)
        yield* type(long)
        yield* shows(/\n> [0-9]{58}\n[0-9]{60}\n[0-9]{12}$/)
        yield* resize(30)
        yield* type("x")
        yield* shows(/9x$/)
        assert.match(screen(), /^connected to \S+\n> [0-9]{28}\n(?:[0-9]{30}\n){3}[0-9]{12}x$/)
        yield* resize(100)
        yield* type("y")
        yield* shows(/9xy$/)
        assert.match(screen(), /^connected to \S+\n> [0-9]{98}\n[0-9]{32}xy$/)
        yield* type("\r")
        yield* FakeServer.gets(socket, `${long}xy\n`)
      })
    )

    it.live("has colours unless NO_COLOR is set, and none that others send", () =>
      Effect.gen(function* () {
        const line = `${envelope("\u001b[31m\u009b31mred")}Warning: slow down.\n`
        const colored = yield* chatting()
        colored.socket.write(line)
        yield* colored.shows(/slow down/)
        assert.include(colored.output(), "\u001b[92m10.0.0.1:5\u001b[0m  \\x1b[31m\\x9b31mred\r\n")
        assert.include(colored.output(), "\u001b[1;33mWarning: slow down.\u001b[0m\r\n")
        const plain = yield* chatting([], { NO_COLOR: "1" })
        plain.socket.write(line)
        yield* plain.shows(/slow down/)
        assert.include(plain.output(), "10.0.0.1:5  \\x1b[31m\\x9b31mred\r\nWarning: slow down.\r\n")
      })
    )

    it.live("leaves on Ctrl-D when all is sent, and takes its prompt away", () =>
      Effect.gen(function* () {
        const { exit, screen, socket, type } = yield* chatting()
        yield* type("bye\r\u0004")
        assert.strictEqual(yield* FakeServer.received(socket), "bye\n")
        socket.end(envelope("bye"))
        assert.strictEqual(yield* exit, 0)
        assert.match(screen(), /^connected \S+ \S+\n> bye\n10\.0\.0\.1:5 {2}bye\ndisconnected from \S+$/)
      })
    )

    it.live("leaves at once on Ctrl-C, in the middle of a line too", () =>
      Effect.gen(function* () {
        const { exit, shows, socket, type } = yield* chatting()
        yield* type("never sent")
        yield* shows(/never sent/)
        yield* type("\u0003")
        assert.strictEqual(yield* FakeServer.received(socket), "")
        assert.strictEqual(yield* exit, 0)
      })
    )

    it.live("sends what was typed while the server was away when it is back, and does not wait for it on Ctrl-D", () =>
      Effect.gen(function* () {
        const { exit, server, shows, socket, type } = yield* chatting(["--retry"])
        yield* type("typing")
        yield* shows(/typing/)
        yield* server.close
        socket.resetAndDestroy()
        yield* shows(/connection refused[^]*\n> typing$/)
        yield* type(" goes on\r")
        yield* shows(/goes on/)
        yield* server.reopen
        const second = yield* server.accepted
        yield* FakeServer.gets(second, "typing goes on\n")
        yield* server.close
        second.resetAndDestroy()
        yield* shows(/goes on[^]*connected[^]*connection refused/)
        yield* type("\u0004")
        assert.strictEqual(yield* exit, 0)
      })
    )

    it.live("works without editing if the terminal is dumb", () =>
      Effect.gen(function* () {
        const server = yield* FakeServer.fakeServer
        const client = yield* ConnectCli.startOnTerminal([server.port], { env: { TERM: "dumb" } })
        const socket = yield* server.accepted
        yield* client.type("hello\n")
        yield* FakeServer.gets(socket, "hello\n")
        socket.write(envelope("hi"))
        yield* client.shows(/\n10\.0\.0\.1:5 {2}hi$/)
        assert.notInclude(client.output(), "\u001b")
        yield* client.type("\u0004")
        yield* FakeServer.ended(socket)
        socket.end()
        assert.strictEqual(yield* client.exit, 0)
      })
    )
  }
)
