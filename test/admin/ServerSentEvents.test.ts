import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Net from "node:net"
import * as Admin from "../support/Admin.ts"
import { PATIENCE } from "../support/patience.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"

interface Event {
  readonly event: string
  readonly data: {
    readonly changes: ReadonlyArray<{ readonly type: string; readonly client: { readonly address: string } }>
    readonly missed: number
    readonly clients: number
    readonly lines_in: number
  }
}

/** The events of a server, one after another, until the scope closes. */
const follow = Effect.fnUntraced(function* (url: string) {
  const response = yield* Admin.open(`${url}/api/events`)
  assert.strictEqual(response.status, 200)
  assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
  const events = Stream.fromReadableStream({ evaluate: () => response.body!, onError: String }).pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.filter((line) => line !== ""),
    Stream.grouped(2),
    Stream.map(([name, data]): Event => ({ event: name!.slice("event: ".length), data: JSON.parse(data!.slice(6)) })),
    Stream.orDie
  )
  const pull = yield* Stream.toPull(events)
  const waiting: Array<Event> = []
  /** The next event that is as wanted; those before it are forgotten. */
  const next = (isWanted: (event: Event) => boolean): Effect.Effect<Event> =>
    Effect.gen(function* () {
      while (true) {
        for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
          if (isWanted(event)) return event
        }
        waiting.push(...(yield* Effect.orDie(pull)))
      }
    }).pipe(Effect.timeout(PATIENCE), Effect.orDie)
  return { next }
})

/** A connection that says only what it is told to, and does not read. */
const silent = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect({ host: "127.0.0.1", port }, () => resume(Effect.succeed(socket)))
      socket.on("error", () => {})
      socket.pause()
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const hasChange = (type: string, address: string) => (event: Event) =>
  event.event === "changes" &&
  event.data.changes.some((change) => change.type === type && change.client.address === address)

describe("the event stream", () => {
  it.live("begins with the statistics, and repeats them", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const events = yield* follow(server.url)
      const first = yield* events.next(() => true)
      assert.strictEqual(first.event, "stats")
      assert.strictEqual(first.data.clients, 0)
      const client = yield* TcpClient.connect(server.port)
      client.send("one\ntwo\n")
      const { data } = yield* events.next(({ data, event }) => event === "stats" && data.lines_in === 2)
      assert.strictEqual(data.clients, 1)
    })
  )

  it.live("tells of clients that come and go, but not of those that are there already", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const early = yield* TcpClient.connect(server.port)
      yield* server.logged(/\(1 client\)/)
      const events = yield* follow(server.url)
      yield* events.next(() => true)
      const late = yield* TcpClient.connect(server.port)
      const { data } = yield* events.next(({ event }) => event === "changes")
      assert.deepStrictEqual(
        data.changes.map(({ client, type }) => [type, client.address]),
        [["connected", late.address]]
      )
      early.socket.end()
      yield* events.next(hasChange("disconnected", early.address))
    })
  )

  it.live("tells the newest twenty changes of a second, and how many there were", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const events = yield* follow(server.url)
      yield* events.next(() => true)
      const clients = yield* Effect.all(
        Array.from({ length: 60 }, () => TcpClient.connect(server.port)),
        { concurrency: "unbounded" }
      )
      let told = 0
      while (told < clients.length) {
        const { data } = yield* events.next(({ event }) => event === "changes")
        assert.isAtMost(data.changes.length, 20)
        told += data.changes.length + data.missed
      }
      assert.strictEqual(told, clients.length)
    })
  )

  it.live("is open to sixteen readers at once, and to others when some have gone", () =>
    Effect.gen(function* () {
      const server = yield* Admin.start()
      const responses = yield* Effect.all(
        Array.from({ length: 20 }, () => Admin.open(`${server.url}/api/events`)),
        { concurrency: "unbounded" }
      )
      const [open, refused] = [200, 503].map((status) => responses.filter((response) => response.status === status))
      assert.strictEqual(open!.length, 16)
      assert.strictEqual(refused!.length, 4)
      assert.deepStrictEqual(yield* Effect.promise(() => refused![0]!.json()), {
        error: "too many event streams: 16 at once"
      })
      // Browsers that go away in mid-stream.
      for (const response of open!.slice(0, 8)) yield* Effect.promise(() => response.body!.cancel())
      // Held: `fetch` ends a connection whose response has been collected as garbage.
      const again: Array<Response> = []
      while (again.length < 8) {
        const response = yield* Admin.open(`${server.url}/api/events`)
        if (response.status === 200) again.push(response)
        // The server learns of the others when their connections end.
        else yield* Effect.yieldNow
      }
      const { status } = yield* Admin.open(`${server.url}/api/events`)
      assert.deepStrictEqual([status, ...again.map((response) => response.status)], [503, ...Array(8).fill(200)])
    })
  )

  it.live("is cut at once when the server ends while the program around it goes on, whether it is read or not", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const hyper_parameters = { shutdown_grace_ms: 3_600_000 }
      const { lines, relay } = yield* Scope.provide(Server.start({ hyper_parameters, admin: { port: 0 } }), scope)
      const { port } = relay.adminAddress!
      const url = `http://127.0.0.1:${port}`
      for (const events of yield* Effect.all([follow(url), follow(url)])) yield* events.next(() => true)
      const sockets = yield* Effect.all([silent(port), silent(port)])
      sockets[0].write("GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
      sockets[1].write("GET /api/stats HTTP/1.1\r\n")
      yield* Effect.callback<void>((resume) => void sockets[0].once("readable", () => resume(Effect.void)))
      const closed = sockets.map((socket) =>
        Effect.callback<void>((resume) => {
          socket.resume()
          if (socket.closed) resume(Effect.void)
          else socket.once("close", () => resume(Effect.void))
        })
      )
      yield* Scope.close(scope, Exit.void)
      yield* Effect.all(closed, { concurrency: "unbounded" })
      assert.deepStrictEqual(Server.noise(lines), [])
    })
  )
})
