import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import type * as Tls from "node:tls"
import * as Handshake from "../../../src/transport/websocket/WebSocketHandshake.ts"
import * as Certificates from "../../support/Certificates.ts"
import * as Chat from "../../support/Chat.ts"
import * as Cli from "../../support/Cli.ts"
import { shared } from "../../support/shared.ts"
import * as TcpClient from "../../support/TcpClient.ts"
import { threadCounts } from "../../support/threadCounts.ts"
import * as WebSocketClient from "../../support/WebSocketClient.ts"

/** What the tests ask of a relay with the chat at this address. */
const at = (url: string) => ({
  url,
  /** Asks for the page as a browser does. */
  ask: (headers: Readonly<Record<string, string>> = {}, tls?: Tls.ConnectionOptions) =>
    WebSocketClient.connect(url, {
      headers: {
        Connection: "keep-alive",
        Upgrade: "",
        "Sec-WebSocket-Version": "",
        "Sec-WebSocket-Key": "",
        ...headers
      },
      ...(tls === undefined ? {} : { tls })
    }),
  connect: (options?: WebSocketClient.Options) => WebSocketClient.connect(url, options)
})

const start = Effect.fnUntraced(function* (config?: Chat.Config) {
  const server = yield* Chat.start(config)
  return { ...server, ...at(server.url) }
})

describe.each(threadCounts)("the chat of a relay, threads: %i", (count) => {
  const started = shared(start({ hyper_parameters: { worker_threads: count } }))

  it.live("is one page, which nothing but its own scripts and styles may be in", () =>
    Effect.gen(function* () {
      const { ask } = yield* started
      const asked = yield* ask()
      const html = yield* asked.body
      assert.match(asked.answer, /^HTTP\/1\.1 200 OK\r\n/)
      assert.include(asked.answer, `Content-Length: ${Buffer.byteLength(html)}`)
      assert.match(
        asked.answer,
        /\r\nContent-Security-Policy: default-src 'none'; script-src 'sha256-\S+'; style-src 'sha256-\S+' 'sha256-\S+'; connect-src 'self';/
      )
      assert.match(html, /^<!doctype html>.*<\/html>\s*$/s)
      assert.notMatch(html, /<(?:script|link)[^>]* (?:src|href)="(?!data:)/)
    })
  )

  it.live("comes also from a full relay, and whoever gets it is no client", () =>
    Effect.gen(function* () {
      const { ask, connect, lines, logged } = yield* start({
        hyper_parameters: { worker_threads: count, max_clients: 1 }
      })
      for (let i = 0; i < 3; i++) assert.match((yield* ask()).answer, / 200 OK/)
      const client = yield* connect()
      yield* logged(/\(websocket\) connected \(1 client\)/)
      assert.match((yield* ask()).answer, / 200 OK/)
      const { code, rest } = yield* Effect.flatMap(connect(), (second) => second.closed)
      assert.deepStrictEqual([code, rest], [1013, ["Warning: Server is full. Please try again later."]])
      assert.match(client.answer, / 101 /)
      assert.lengthOf(
        lines.filter((line) => line.includes(" connected ")),
        1
      )
    })
  )

  it.live("connects from its own address, and no other page does", () =>
    Effect.gen(function* () {
      const { connect, port, logged, url } = yield* started
      const { host } = new URL(url)
      const tcp = yield* TcpClient.connect(port)
      yield* logged(/connected \(1 client\)/)
      const other = yield* connect({ headers: { Origin: "http://127.0.0.1:1" } })
      assert.match(other.answer, / 403 /)
      const page = yield* connect({ headers: { Origin: `http://${host}` } })
      assert.match(page.answer, / 101 /)
      yield* logged(/connected \(2 clients\)/)
      page.send("hello")
      assert.strictEqual(JSON.parse(yield* tcp.line).content, "hello")
    })
  )
})

describe("the chat of a relay", () => {
  it.live("is not there unless it is configured", () =>
    Effect.gen(function* () {
      const { ask, connect, url } = yield* start({ websocket: { page: false } })
      assert.match((yield* ask()).answer, / 426 /)
      assert.match((yield* connect({ headers: { Origin: `http://${new URL(url).host}` } })).answer, / 403 /)
    })
  )

  it.live("says under a name that is not in websocket.origins how it would work there", () =>
    Effect.gen(function* () {
      const { ask, logged } = yield* start()
      const asked = yield* ask({ Host: "relay.example" })
      assert.match(asked.answer, / 403 /)
      assert.include(yield* asked.body, "add its origin, such as https://relay.example, to websocket.origins")
      yield* logged(/connections refused: origin not allowed/)
    })
  )

  it.live("comes to clients that have ended their side after the request", () =>
    Effect.gen(function* () {
      const { url } = yield* start()
      const { host, port } = new URL(url)
      const response = yield* Effect.callback<string>((resume) => {
        let received = ""
        const socket = Net.connect(Number(port), "127.0.0.1").setEncoding("utf8")
        socket.on("data", (text) => (received += text)).on("close", () => resume(Effect.succeed(received)))
        socket.end(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
        return Effect.sync(() => socket.destroy())
      })
      assert.match(response, /<\/html>\s*$/)
    })
  )

  // The limit is that of handshakes: 1,024, or a quarter of few file descriptors.
  it.live.skipIf(process.platform === "win32")(
    "takes no place from clients, however many who get it do not go away",
    () =>
      Effect.gen(function* () {
        const { printed } = yield* Cli.listening([], {
          setup: "ulimit -n 120",
          env: { SUMMONER_WEBSOCKET_PORT: "0", SUMMONER_WEBSOCKET_PAGE: "true" }
        })
        const [url] = yield* printed(/ws:\/\/\S+/)
        const { ask, connect } = at(url)
        for (let i = 0; i < 60; i++) yield* ask()
        yield* printed(/displaced while arriving/)
        assert.match((yield* connect()).answer, / 101 /)
        yield* printed(/\(websocket\) connected \(1 client\)/)
      })
  )

  it.live.skipIf(!Certificates.hasOpenssl)("comes by TLS where that is configured, and connects by it", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { ask, connect, url } = yield* start({ tls: certificates.config })
      assert.match(url, /^wss:/)
      assert.match((yield* ask({}, certificates.client())).answer, / 200 OK/)
      const Origin = `https://${new URL(url).host}`
      assert.match((yield* connect({ headers: { Origin }, tls: certificates.client() })).answer, / 101 /)
    })
  )
})

const HOSTS: ReadonlyArray<readonly [host: string, origins: ReadonlyArray<string>, isAllowed: boolean]> = [
  ["127.0.0.1:8889", [], true],
  ["192.0.2.7", [], true],
  ["[::1]:8889", [], true],
  ["localhost:8889", [], true],
  ["relay.example:8889", [], false],
  ["localhost.example", [], false],
  ["127.0.0.1.example", [], false],
  ["localhost@relay.example", [], false],
  ["", [], false],
  ["relay.example", ["https://relay.example"], true],
  ["relay.example", ["https://other.example"], false],
  ["relay.example", ["*"], true]
]

describe("a page of the relay", () => {
  it.each(HOSTS)("of %j, with the origins %j: may connect: %j", (host, origins, isAllowed) => {
    const rules: Handshake.Rules = { path: "/", origins, hasPage: true }
    const begun = (headers: Record<string, string>, isUpgrade: boolean): Handshake.Begun => ({
      request: {
        headers: { host, ...headers },
        headersDistinct: { host: [host] },
        httpVersion: "1.1",
        method: "GET",
        url: "/"
      },
      isUpgrade
    })
    assert.strictEqual(Handshake.isForPage(begun({}, false), rules), isAllowed)
    const handshake = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      origin: `https://${host}`
    }
    assert.strictEqual(Handshake.rejection(begun(handshake, true), rules) === undefined, isAllowed)
    assert.isDefined(Handshake.rejection(begun(handshake, true), { path: "/", origins: [], hasPage: false }))
  })
})
