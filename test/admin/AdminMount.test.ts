import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as AdminMount from "../../src/admin/AdminMount.ts"
import { ListenError } from "../../src/RelayServer.ts"
import * as HostServer from "../support/HostServer.ts"

const TOKEN = "s3cret"
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

const ask = (port: number, path: string, init: RequestInit = {}) =>
  Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: "manual", ...init })
    const { headers, status } = response
    const [location, type] = [headers.get("location"), headers.get("content-type")]
    return { status, location, type, text: await response.text() }
  })

type Served = (mount: AdminMount.AdminMount) => Effect.Effect<number, never, Scope.Scope>

const hosts: ReadonlyArray<readonly [what: string, serve: Served]> = [
  [
    "Node's HTTP server",
    (mount) =>
      HostServer.listen(
        Http.createServer((request, response) => {
          if (!mount.handle(request, response)) response.end("the page")
        })
      )
  ],
  [
    "Effect's HttpRouter",
    (mount) =>
      HostServer.serve(
        Layer.mergeAll(
          HttpRouter.add("GET", "/", HttpServerResponse.text("the page")),
          HttpRouter.add("*", "/ops/relay/*", mount.route)
        )
      )
  ]
]

describe.each(hosts)("the admin API mounted on %s", (_what, serve) => {
  it.live("is below its prefix, for those who have the token, beside the program's own requests", () =>
    Effect.gen(function* () {
      const mount = AdminMount.make("/ops/relay")
      const { relay } = yield* HostServer.relay({ admin: { token: TOKEN } }, { adminServer: mount.layer })
      const port = yield* serve(mount)
      assert.isUndefined(relay.adminAddress)
      assert.strictEqual((yield* ask(port, "/")).text, "the page")
      assert.deepInclude(yield* ask(port, "/ops/relay?x"), { status: 308, location: "relay/?x" })
      assert.match((yield* ask(port, "/ops/relay/")).text, /<!doctype html>/i)
      assert.deepInclude(yield* ask(port, "/ops/relay/healthz"), { status: 200, text: "ok\n" })
      for (const path of ["api/stats", "metrics"]) {
        assert.strictEqual((yield* ask(port, `/ops/relay/${path}`)).status, 401)
        assert.strictEqual((yield* ask(port, `/ops/relay/${path}`, { headers: AUTHORIZED })).status, 200)
      }
      const drained = yield* ask(port, "/ops/relay/api/drain", { method: "POST", headers: AUTHORIZED })
      assert.deepStrictEqual(JSON.parse(drained.text), { done: true })
      assert.strictEqual(yield* relay.state, "draining")
      assert.deepInclude(yield* ask(port, "/ops/relay/api/nope", { headers: AUTHORIZED }), {
        status: 404,
        text: '{"error":"there is no GET /api/nope"}'
      })
    })
  )

  it.live("ends its event streams with the relay, and answers 503 while that does not run", () =>
    Effect.gen(function* () {
      const mount = AdminMount.make("/ops/relay")
      const port = yield* serve(mount)
      assert.strictEqual((yield* ask(port, "/ops/relay/healthz")).status, 503)
      const scope = yield* Scope.make()
      yield* Scope.provide(HostServer.relay({ admin: { token: TOKEN } }, { adminServer: mount.layer }), scope)
      const url = `http://127.0.0.1:${port}/ops/relay/api/events`
      const { body } = yield* Effect.promise(() => fetch(url, { headers: AUTHORIZED }))
      const reader = body!.getReader()
      assert.match(new TextDecoder().decode((yield* Effect.promise(() => reader.read())).value), /^event: stats\n/)
      yield* Scope.close(scope, Exit.void)
      const rest = Effect.promise(async () => {
        while (!(await reader.read()).done) continue
      })
      // With Node's server the connection is cut, which is an error to the reader.
      yield* Effect.exit(rest)
      assert.deepInclude(yield* ask(port, "/ops/relay/healthz"), {
        status: 503,
        type: "application/json",
        text: '{"error":"the relay does not run"}'
      })
      assert.strictEqual((yield* ask(port, "/")).text, "the page")
    })
  )

  it.live("has no reading without a token in the configuration: it may be reached from anywhere", () =>
    Effect.gen(function* () {
      const mount = AdminMount.make("/ops/relay")
      yield* HostServer.relay({}, { adminServer: mount.layer })
      const { status, text } = yield* ask(yield* serve(mount), "/ops/relay/api/stats")
      const error = "reading is off: it needs admin.token in the configuration"
      assert.deepStrictEqual([status, JSON.parse(text)], [403, { error }])
    })
  )
})

it.live("a mounted admin API refuses with JSON what a route outside of its prefix hands it", () =>
  Effect.gen(function* () {
    const mount = AdminMount.make("/ops/relay")
    yield* HostServer.relay({ admin: { token: TOKEN } }, { adminServer: mount.layer })
    const port = yield* HostServer.serve(HttpRouter.add("*", "/elsewhere/*", mount.route))
    const response = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/elsewhere/api/stats`))
    assert.deepStrictEqual([response.status, response.headers.get("content-type")], [404, "application/json"])
    assert.deepStrictEqual(yield* Effect.promise(() => response.json()), {
      error: "this route is not below the prefix of the mount"
    })
  })
)

it.live("a mounted admin API does not start with a port of its own, which nobody would listen on", () =>
  Effect.gen(function* () {
    const { layer } = AdminMount.make("/ops")
    const error = yield* Effect.flip(HostServer.relay({ admin: { port: 9090 } }, { adminServer: layer }))
    assert.instanceOf(error, ListenError)
    assert.strictEqual(
      error.message,
      "cannot listen on 127.0.0.1:9090 (admin.port): the admin API is on the HTTP server of the program"
    )
  })
)

it.live("a mounted admin API is of one server, also if two start at once", () =>
  Effect.gen(function* () {
    const { layer } = AdminMount.make("/ops")
    const start = Effect.exit(HostServer.relay({}, { adminServer: layer }))
    const exits = yield* Effect.all([start, start], { concurrency: 2 })
    const [failed, ...others] = exits.filter(Exit.isFailure)
    assert.include(String(failed?.cause), "two servers share one AdminMount")
    assert.lengthOf(others, 0)
  })
)
