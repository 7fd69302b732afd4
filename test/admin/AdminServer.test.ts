import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import * as Net from "node:net"
import { ListenError, RelayServer } from "../../src/RelayServer.ts"
import type { Options } from "../../src/config/ServerConfig.ts"
import * as Server from "../support/Server.ts"
import { shared } from "../support/shared.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

const TOKEN = "s3cret"

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: () => any
}

const start = Effect.fnUntraced(function* (options: Options = {}) {
  const relay = yield* Effect.map(
    Layer.build(
      RelayServer.layer({ port: 0, ...options, admin: { port: 0, token: TOKEN, ...options.admin } }).pipe(
        Layer.provide(Layer.succeed(Metric.MetricRegistry, new Map()))
      )
    ),
    (context) => context.mapUnsafe.get(RelayServer.key) as RelayServer["Service"]
  )
  const { port } = relay.adminAddress!
  const ask = (path: string, init?: RequestInit) =>
    Effect.promise(async (): Promise<Answer> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, init)
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
    })
  const act = (path: string, body?: unknown, token = TOKEN) =>
    ask(path, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  return { relay, port, ask, act, connect: TcpClient.connect(relay.address.port) }
})

const metricsOf = (text: string) =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const space = line.lastIndexOf(" ")
        return [line.slice(0, space), Number(line.slice(space + 1))] as const
      })
  )

describe("the admin server", () => {
  it.live("is off by default", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(RelayServer.layer({ port: 0 }))
      assert.isUndefined((context.mapUnsafe.get(RelayServer.key) as RelayServer["Service"]).adminAddress)
    })
  )

  it.live("says that its port is taken", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const error = yield* Effect.flip(Effect.scoped(Layer.build(RelayServer.layer({ port: 0, admin: { port } }))))
      assert.instanceOf(error, ListenError)
      assert.strictEqual(
        error.message,
        `cannot listen on 127.0.0.1:${port} (admin.port): the port is already in use (EADDRINUSE)`
      )
    })
  )

  it.live("allows no action without the token, and no page of another site to read", () =>
    Effect.gen(function* () {
      const { act, ask } = yield* start()
      const wrong = yield* act("/api/drain", undefined, "wrong")
      assert.deepStrictEqual([wrong.status, wrong.headers.get("www-authenticate")], [401, "Bearer"])
      assert.strictEqual((yield* ask("/readyz")).status, 200)
      const off = yield* start({ admin: { token: null } })
      assert.strictEqual((yield* off.act("/api/drain")).status, 403)
      const foreign = yield* Effect.promise(
        () =>
          new Promise<string>((resolve) => {
            const socket = TcpClient.raw(off.port)
            socket.on("data", (data) => resolve(String(data)))
            socket.write("GET /api/clients HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
          })
      )
      assert.match(foreign, /^HTTP\/1\.1 403/)
    })
  )

  it.live("lets no page of another site take its event streams, and has a link to the dashboard work", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      for (const site of ["cross-site", "same-site"]) {
        const headers = { "sec-fetch-site": site }
        for (const path of ["/api/events", "/api/stats", "/metrics"]) {
          const { json, status } = yield* ask(path, { headers })
          assert.deepStrictEqual(
            [status, json()],
            [403, { error: "pages of other sites may not ask (Sec-Fetch-Site)" }]
          )
        }
        assert.strictEqual((yield* ask("/", { headers })).status, 200)
      }
      assert.strictEqual((yield* ask("/api/stats", { headers: { "sec-fetch-site": "same-origin" } })).status, 200)
      assert.strictEqual((yield* ask("/api/stats", { headers: { "sec-fetch-site": "none" } })).status, 200)
    })
  )

  it.live("asks for the token on a loopback address as well, if it is told to", () =>
    Effect.gen(function* () {
      const { ask } = yield* start({ admin: { token_for_reading: true } })
      for (const path of ["/metrics", "/api/stats", "/api/events"]) assert.strictEqual((yield* ask(path)).status, 401)
      for (const path of ["/", "/healthz", "/readyz"]) assert.strictEqual((yield* ask(path)).status, 200)
      const headers = { authorization: `Bearer ${TOKEN}` }
      assert.strictEqual((yield* ask("/api/stats", { headers })).status, 200)
    })
  )

  it.live("warns once of a proxy that makes its loopback address readable for others", () =>
    Effect.gen(function* () {
      const proxied = { "x-forwarded-for": "203.0.113.7" }
      const warned = Effect.fnUntraced(function* (admin: object) {
        const { lines, relay } = yield* Server.start({ admin: { port: 0, token: TOKEN, ...admin } })
        const url = `http://127.0.0.1:${relay.adminAddress!.port}/api/stats`
        for (const headers of [{}, proxied, proxied]) yield* Effect.promise(() => fetch(url, { headers }))
        return Server.noise(lines)
      })
      assert.deepStrictEqual(yield* warned({}), [
        "WARNING admin: a proxy passes requests on, so all that it lets in may read: set admin.token_for_reading"
      ])
      assert.deepStrictEqual(yield* warned({ token_for_reading: true }), [])
    })
  )

  it.live("ignores requests to upgrade: their senders are served, and timed, like others", () =>
    Effect.gen(function* () {
      const { port } = yield* start()
      const asked = (headers: string) => `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
      const text = yield* Effect.callback<string>((resume) => {
        const socket = Net.connect({ port, host: "127.0.0.1" })
        let text = ""
        socket
          .on("close", () => resume(Effect.succeed(text)))
          .on("data", (chunk) => {
            if (text === "") socket.write(asked("Connection: close\r\n"))
            text += chunk
          })
        socket.write(asked("Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        return Effect.sync(() => socket.destroy())
      })
      assert.strictEqual(text.match(/^HTTP\/1\.1 200 OK/gm)?.length, 2, text)
    })
  )

  it.live("tells browsers to be careful with every answer", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      for (const path of ["/", "/api/stats", "/nope", "/metrics"]) {
        const { headers } = yield* ask(path)
        assert.match(headers.get("content-security-policy")!, /^default-src 'none'; .*frame-ancestors 'none'/)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(headers.get("cache-control"), "no-store")
        assert.isNull(headers.get("access-control-allow-origin"))
      }
    })
  )
})

describe.each(threadCounts)("the admin server of a relay with worker_threads: %s", (worker_threads) => {
  const started = shared(
    Server.start({ hyper_parameters: { worker_threads }, websocket: { port: 0 }, admin: { port: 0, token: TOKEN } })
  )

  it.live("says the name of the server and where clients find it", () =>
    Effect.gen(function* () {
      const { relay } = yield* started
      const stats = yield* Effect.promise(async () =>
        (await fetch(`http://127.0.0.1:${relay.adminAddress!.port}/api/stats`)).json()
      )
      assert.deepInclude(stats, {
        name: "MyServer",
        listeners: [`tcp://127.0.0.1:${relay.address.port}`, relay.webSocketUrl]
      })
    })
  )

  it.live("sends a message to every client, and says why it cannot", () =>
    Effect.gen(function* () {
      const { lines, relay } = yield* started
      const [a, b] = [yield* TcpClient.connect(relay.address.port), yield* TcpClient.connect(relay.address.port)]
      yield* TcpClient.settled(a, b)
      const broadcast = (body: object) =>
        Effect.promise(async () => {
          const response = await fetch(`http://127.0.0.1:${relay.adminAddress!.port}/api/broadcast`, {
            method: "POST",
            headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" },
            body: JSON.stringify(body)
          })
          return [response.status, await response.json()]
        })
      assert.deepStrictEqual(yield* broadcast({ content: "restart at six", from: "operator" }), [200, { done: true }])
      for (const client of [a, b]) {
        assert.strictEqual(yield* client.line, '{"remote_addr":"operator","content":"restart at six"}')
      }
      assert.deepStrictEqual(yield* broadcast({ content: "\ud800" }), [
        422,
        { _tag: "Impossible", error: "the message has an unpaired surrogate; expected Unicode text" }
      ])
      assert.include(lines, 'INFO admin 127.0.0.1: broadcast 14 characters as "operator"')
    })
  )
})

describe("the token of the admin server", () => {
  it.live("can be tried, and a wrong one is logged", () =>
    Effect.gen(function* () {
      const { lines, relay } = yield* Server.start({ admin: { port: 0, token: TOKEN } })
      const attempt = (token: string) =>
        Effect.promise(async () => {
          const { status } = await fetch(`http://127.0.0.1:${relay.adminAddress!.port}/api/token`, {
            method: "POST",
            headers: { authorization: `Bearer ${token}` }
          })
          return status
        })
      assert.strictEqual(yield* attempt(TOKEN), 200)
      assert.deepStrictEqual(Server.noise(lines), [])
      assert.strictEqual(yield* attempt("guess"), 401)
      yield* Server.until(() => lines.includes("WARNING admin: requests with a wrong token: 1, last from 127.0.0.1"))
      assert.notInclude(lines.join(), "guess")
    })
  )

  it.live("is needed to read messages everywhere, however the path is written", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      assert.strictEqual((yield* ask("/api/stats")).status, 200)
      for (const path of ["/api/messages", "//api/messages", "/api/messages/", "/api/m%65ssages", "/API/messages"]) {
        const { status } = yield* ask(path)
        assert.include([401, 404], status, path)
      }
      assert.strictEqual((yield* ask("/api/messages")).status, 401)
      const off = yield* start({ admin: { token: null } })
      assert.deepInclude((yield* off.ask("/api/messages")).json(), {
        error: "reading is off: it needs admin.token in the configuration"
      })
    })
  )
})

describe("the readiness of a server", () => {
  it.live("ends when it drains, and comes back when it takes clients again", () =>
    Effect.gen(function* () {
      const { act, ask, connect } = yield* start()
      const [a, b] = [yield* connect, yield* connect]
      yield* TcpClient.settled(a, b)
      assert.deepInclude(yield* ask("/healthz"), { status: 200, text: "ok\n" })
      assert.deepInclude(yield* ask("/readyz"), { status: 200, text: "ready\n" })
      assert.deepStrictEqual((yield* act("/api/drain")).json(), { done: true })
      assert.deepInclude(yield* ask("/readyz"), { status: 503, text: "draining\n" })
      assert.strictEqual((yield* ask("/healthz")).status, 200)

      const late = yield* connect
      assert.deepStrictEqual(yield* late.rest, ["Warning: Server is shutting down."])
      a.send("still here\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))

      yield* act("/api/undrain")
      assert.strictEqual((yield* ask("/readyz")).status, 200)
      yield* TcpClient.settled(yield* connect, b)
      const { incidents } = (yield* ask("/api/stats")).json()
      assert.strictEqual(incidents.draining, 1)
    })
  )
})

describe("the room, for operators,", () => {
  it.live("is a list of clients, sorted, searched and limited", () =>
    Effect.gen(function* () {
      const { ask, connect } = yield* start()
      const clients = [yield* connect, yield* connect, yield* connect]
      const [a, b, c] = clients as [TcpClient.TcpClient, TcpClient.TcpClient, TcpClient.TcpClient]
      yield* TcpClient.settled(b, a)
      yield* TcpClient.settled(c, a)
      a.send("1\n2\n3\n")
      yield* c.lines(1)
      while ((yield* c.line) !== TcpClient.envelope(a, "3")) continue
      const all = (yield* ask("/api/clients?sort=lines_in&order=desc&limit=2")).json()
      assert.deepInclude(all, { total: 3, matching: 3 })
      assert.strictEqual(all.clients.length, 2)
      assert.isAtLeast(all.clients[0].lines_in, all.clients[1].lines_in)
      const found = (yield* ask(`/api/clients?search=${a.address}`)).json()
      assert.deepInclude(found, { total: 3, matching: 1 })
      assert.deepInclude(found.clients[0], {
        address: a.address,
        ip: "127.0.0.1",
        state: "active",
        lines_in: 3,
        bytes_in: 6
      })
      assert.strictEqual(new Date(found.clients[0].connected_at).toISOString(), found.clients[0].connected_at)
    })
  )

  it.live("loses a client that is disconnected, with notice and quarantine, until that is lifted", () =>
    Effect.gen(function* () {
      const { act, ask, connect, relay } = yield* start()
      const client = yield* connect
      while ((yield* relay.clients).length === 0) yield* Effect.yieldNow
      const { address } = client
      assert.strictEqual((yield* act("/api/disconnect", { address: "1.2.3.4:5" })).status, 404)
      const long = yield* act("/api/disconnect", { address, notice: "\ud800" })
      assert.deepInclude(long.json(), { _tag: "Impossible" })
      assert.strictEqual(long.status, 422)
      assert.strictEqual((yield* act("/api/disconnect", { address, notice: "bye", quarantine: true })).status, 200)
      assert.deepStrictEqual(yield* client.rest, ["Warning: bye"])
      const { entries } = (yield* ask("/api/quarantine")).json()
      assert.deepStrictEqual(
        entries.map(({ key }: { key: string }) => key),
        ["127.0.0.1"]
      )
      assert.isAtMost(entries[0].remaining_secs, 300)
      assert.match((yield* (yield* connect).rest)[0]!, /quarantine/)

      assert.strictEqual((yield* act("/api/lift", { key: "127.0.0.1" })).status, 200)
      assert.strictEqual((yield* act("/api/lift", { key: "127.0.0.1" })).status, 404)
      yield* TcpClient.settled(yield* connect, yield* connect)
      assert.strictEqual((yield* act("/api/quarantine", { key: "no address" })).status, 422)
      assert.strictEqual((yield* act("/api/quarantine", { key: "10.0.0.9" })).status, 200)
    })
  )

  it.live("keeps a client that should be quarantined where the profile has no quarantine", () =>
    Effect.gen(function* () {
      const { act, connect, relay } = yield* start({ version: "python" })
      const [client, other] = [yield* connect, yield* connect]
      yield* TcpClient.settled(client, other)
      for (const [path, body] of [
        ["/api/disconnect", { address: client.address, quarantine: true }],
        ["/api/quarantine", { key: "127.0.0.1" }]
      ] as const) {
        const { json, status } = yield* act(path, body)
        assert.deepStrictEqual(
          [status, json()],
          [422, { _tag: "Impossible", error: "nobody can be quarantined: this profile has no quarantine" }]
        )
      }
      assert.strictEqual((yield* relay.clients).length, 2)
    })
  )

  it.live("is described by the schemas of an OpenAPI document", () =>
    Effect.gen(function* () {
      const { ask } = yield* start()
      const { openapi, paths } = (yield* ask("/api/openapi.json")).json()
      assert.match(openapi, /^3\.1/)
      assert.sameMembers(Object.keys(paths), [
        "/api/stats",
        "/api/history",
        "/api/clients",
        "/api/quarantine",
        "/api/broadcast",
        "/api/token",
        "/api/disconnect",
        "/api/lift",
        "/api/drain",
        "/api/undrain"
      ])
      const schema = paths["/api/stats"].get.responses["200"].content["application/json"].schema
      assert.sameMembers(Object.keys(schema.properties), Object.keys((yield* ask("/api/stats")).json()))
    })
  )
})

describe("the metrics of the admin server", () => {
  it.live("count what has happened", () =>
    Effect.gen(function* () {
      const { ask, connect } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 3, max_clients: 2 } })
      const [a, b] = [yield* connect, yield* connect]
      yield* (yield* connect).rest
      a.send("1\n2\n3\n4\n")
      yield* b.lines(3)
      assert.match(yield* a.line, /too quickly/)
      a.socket.end()
      yield* a.rest
      const { headers, text } = yield* ask("/metrics")
      assert.strictEqual(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      const metrics = metricsOf(text)
      const expected = {
        summoner_clients: 1,
        summoner_ready: 1,
        summoner_connections_total: 2,
        'summoner_connections_refused_total{reason="server_full"}': 1,
        'summoner_disconnects_total{reason="left"}': 1,
        summoner_lines_received_total: 4,
        summoner_lines_relayed_total: 3,
        'summoner_lines_dropped_total{reason="rate_limited"}': 1,
        summoner_deliveries_total: 3,
        summoner_received_bytes_total: 8,
        summoner_fanout_count: 3,
        summoner_fanout_sum: 3,
        'summoner_fanout_bucket{le="0"}': 0,
        'summoner_fanout_bucket{le="1"}': 3,
        summoner_relay_latency_seconds_count: 3,
        'summoner_relay_latency_seconds_bucket{le="+Inf"}': 3,
        summoner_quarantine_entries: 0,
        summoner_outbox_bytes: 0
      }
      for (const [name, value] of Object.entries(expected)) assert.strictEqual(metrics.get(name), value, name)
      assert.isAbove(metrics.get("process_resident_memory_bytes")!, 10_000_000)
      assert.strictEqual(metrics.get('summoner_build_info{version="0.1.0"}'), 1)
      assert.isTrue(metrics.has('summoner_event_loop_lag_seconds{stat="p99"}'))
    })
  )

  it.live.skipIf(!existsSync("/usr/bin/promtool"))(
    `are what Prometheus reads${existsSync("/usr/bin/promtool") ? "" : " (skipped: no promtool)"}`,
    () =>
      Effect.gen(function* () {
        const { ask } = yield* start()
        const { text } = yield* ask("/metrics")
        // Exits with an error for what it cannot parse, and for names and help texts against the conventions.
        execFileSync("promtool", ["check", "metrics"], { input: text })
      })
  )

  it.live("are in the registry of the program, for as long as the server runs", () =>
    Effect.gen(function* () {
      const names = Effect.map(Metric.snapshot, (metrics) => metrics.map(({ id }) => id))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(RelayServer.layer({ port: 0 }))
          assert.include(yield* names, "summoner_clients")
        })
      )
      assert.notInclude(yield* names, "summoner_clients")
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.live("of two servers in one program are told apart by what the program says", () =>
    Effect.gen(function* () {
      for (const room of ["blue", "red"]) {
        yield* Layer.build(
          RelayServer.layer({ port: 0 }).pipe(Layer.provide(Layer.succeed(Metric.CurrentMetricAttributes, { room })))
        )
      }
      const rooms = (yield* Metric.snapshot).filter(({ id }) => id === "summoner_clients")
      assert.deepStrictEqual(
        rooms.map(({ attributes }) => attributes),
        [{ room: "blue" }, { room: "red" }]
      )
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
