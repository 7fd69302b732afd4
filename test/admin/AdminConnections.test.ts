import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ServerResponse } from "node:http"
import * as Net from "node:net"
import * as Layer from "effect/Layer"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { descriptorLimit } from "../../src/internal/descriptors.ts"
import { ADMIN_CONNECTIONS, AdminConnections } from "../../src/admin/AdminConnections.ts"
import * as Admin from "../support/Admin.ts"

const answer = (writableFinished: boolean) => ({ writableFinished }) as ServerResponse

/** As many connections as there may be. */
const full = () => {
  const connections = new AdminConnections()
  const sockets = Array.from({ length: ADMIN_CONNECTIONS }, () => new Net.Socket())
  for (const socket of sockets) connections.add(socket)
  return { connections, sockets }
}

/** Which of them have been cut. */
const cut = (sockets: ReadonlyArray<Net.Socket>) => sockets.flatMap(({ destroyed }, i) => (destroyed ? [i] : []))

describe("an admin port with too many callers", () => {
  it("cuts the stranger that came first, however often it has asked", () => {
    const { connections, sockets } = full()
    for (const socket of [sockets[0]!, sockets[2]!]) connections.trust(socket)
    assert.isTrue(connections.begin(sockets[1]!, answer(true)))
    connections.add(new Net.Socket())
    assert.deepStrictEqual(cut(sockets), [1])
    connections.add(new Net.Socket())
    assert.deepStrictEqual(cut(sockets), [1, 3])
    assert.strictEqual(connections.closedUnsafe("displaced"), 2)
  })

  it("cuts, if all may ask for everything, the one that has not asked for longest, and no event stream", () => {
    const { connections, sockets } = full()
    for (const socket of sockets) connections.trust(socket)
    connections.begin(sockets[0]!, answer(false))
    connections.trust(sockets[1]!)
    connections.add(new Net.Socket())
    assert.deepStrictEqual(cut(sockets), [2])
  })

  it("cuts the first caller if all are busy", () => {
    const { connections, sockets } = full()
    for (const socket of sockets) {
      connections.trust(socket)
      connections.begin(socket, answer(false))
    }
    connections.add(new Net.Socket())
    assert.deepStrictEqual(cut(sockets), [0])
  })

  it.effect("has room again when a caller leaves", () =>
    Effect.gen(function* () {
      const { connections, sockets } = full()
      yield* Effect.callback<void>((resume) => {
        sockets[5]!.once("close", () => resume(Effect.void)).destroy()
      })
      connections.add(new Net.Socket())
      assert.deepStrictEqual(cut(sockets), [5])
    })
  )
})

describe("a caller of the admin port", () => {
  it("is cut when it does not wait for its answer, and nothing more of what it has sent is done", () => {
    const connections = new AdminConnections()
    const [socket, other] = [new Net.Socket(), new Net.Socket()]
    connections.add(socket)
    connections.add(other)
    assert.isTrue(connections.begin(socket, answer(true)))
    assert.isTrue(connections.begin(socket, answer(false)))
    for (let i = 0; i < 3; i++) assert.isFalse(connections.begin(socket, answer(false)))
    assert.isTrue(socket.destroyed)
    assert.strictEqual(connections.closedUnsafe("pipelined"), 1)
    assert.isTrue(connections.begin(other, answer(false)))
  })
})

/** A connection to the admin server, and all that has come by it. */
const dial = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = Net.connect({ port, host: "127.0.0.1" })
      let text = ""
      socket.on("error", () => {}).on("data", (chunk) => (text += chunk))
      const closed = Effect.callback<void>((resume) => {
        if (socket.closed) resume(Effect.void)
        else socket.once("close", () => resume(Effect.void))
      })
      return {
        socket,
        closed,
        ask: (path: string, headers = "") =>
          Effect.callback<string>((resume) => {
            text = ""
            const check = () => {
              if (/\r\n\r\n./s.test(text)) resume(Effect.succeed(text.slice(9, 12)))
            }
            socket.on("data", check)
            socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`)
            return Effect.sync(() => socket.off("data", check))
          }),
        textUnsafe: () => text
      }
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const AUTHORIZED = `Authorization: Bearer ${Admin.TOKEN}\r\n`

describe("a public admin port", () => {
  it.live("answers probes, and callers with the token, while strangers take all its connections", () =>
    Effect.gen(function* () {
      const { url } = yield* Admin.start({ host: "0.0.0.0" })
      const port = Number(new URL(url).port)
      const [dashboard, prometheus] = [yield* dial(port), yield* dial(port)]
      assert.strictEqual(yield* dashboard.ask("/api/events", AUTHORIZED), "200")
      assert.strictEqual(yield* prometheus.ask("/api/stats", AUTHORIZED), "200")
      const strangers = yield* Effect.all(Array.from({ length: ADMIN_CONNECTIONS - 2 }, () => dial(port)))
      for (const stranger of strangers) assert.strictEqual(yield* stranger.ask("/healthz"), "200")
      // One more, and the first has to go, although it has asked last.
      assert.strictEqual(yield* strangers[0]!.ask("/healthz"), "200")
      const probe = yield* dial(port)
      assert.strictEqual(yield* probe.ask("/healthz"), "200")
      yield* strangers[0]!.closed
      for (const others of [strangers[1]!, probe]) assert.strictEqual(yield* others.ask("/healthz"), "200")
      assert.strictEqual(yield* prometheus.ask("/metrics", AUTHORIZED), "200")
      assert.isFalse(dashboard.socket.destroyed)
      yield* Effect.callback<void>((resume) => void dashboard.socket.once("data", () => resume(Effect.void)))
    })
  )

  it.live("keeps the connection of a caller between two requests for a minute, as scrapers need, and says so", () =>
    Effect.gen(function* () {
      const { url } = yield* Admin.start()
      const scraper = yield* dial(Number(new URL(url).port))
      assert.strictEqual(yield* scraper.ask("/metrics"), "200")
      // Node.js sends the time after which it closes the connection.
      assert.match(scraper.textUnsafe(), /\r\nKeep-Alive: timeout=60\r\n/)
    })
  )

  it.live("cuts a caller that sends requests without waiting for answers, and counts it", () =>
    Effect.gen(function* () {
      const { url } = yield* Admin.start()
      const port = Number(new URL(url).port)
      const impatient = yield* dial(port)
      impatient.socket.write("GET /api/stats HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20))
      // Served, it would end like this too.
      impatient.socket.write("GET /api/stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
      yield* impatient.closed
      assert.isBelow(impatient.textUnsafe().split("HTTP/1.1 200").length, 20)
      const metrics = yield* Effect.promise(async () => (await fetch(`${url}/metrics`)).text())
      assert.match(metrics, /^summoner_admin_callers_cut_total\{reason="pipelined"\} 1$/m)
    })
  )
})

it.live.skipIf(descriptorLimit() > 1_000_000)(
  `the admin server has file descriptors for its ${ADMIN_CONNECTIONS} connections that clients cannot take`,
  () =>
    Effect.gen(function* () {
      const places = Effect.fnUntraced(function* (port: number | null) {
        const log: Array<string> = []
        const hyper_parameters = { max_clients: 1_000_000 }
        yield* Layer.build(RelayServer.layer({ port: 0, admin: { port }, hyper_parameters })).pipe(
          Effect.provide(RelayLogger.layerTest(log))
        )
        return Number(/room for (\d+) clients only/.exec(log.join("\n"))?.[1])
      })
      assert.strictEqual((yield* places(null)) - (yield* places(0)), ADMIN_CONNECTIONS)
    })
)
