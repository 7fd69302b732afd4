import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tls from "node:tls"
import { connect, type Client } from "../../src/client/index.ts"
import * as Notice from "../../src/protocol/Notice.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Server from "../support/Server.ts"

const SCHEMES = Certificates.hasOpenssl ? (["tcp", "tls", "ws", "wss"] as const) : (["tcp", "ws"] as const)

/** A server with these keys, where it listens for a scheme, and the authority that its certificate is from. */
const serve = Effect.fnUntraced(function* (scheme: (typeof SCHEMES)[number], hyper_parameters: object = {}) {
  const certificates = scheme === "tls" || scheme === "wss" ? yield* Certificates.make : undefined
  const server = yield* Server.start({
    hyper_parameters,
    websocket: { port: 0 },
    ...(certificates && { tls: certificates.config })
  })
  const ca = certificates?.read("ca.pem")
  return {
    ...server,
    ca,
    url: scheme.startsWith("ws") ? server.relay.webSocketUrl! : `${scheme}://127.0.0.1:${server.port}`,
    tls: scheme === "tls" ? { ca } : undefined
  }
})

/** Takes messages until there are so many. */
const messages = async (client: Client, count: number) => {
  const contents: Array<string> = []
  for await (const { content } of client.messages) if (contents.push(content) === count) break
  return contents
}

/** How a promise was rejected. */
const rejection = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => assert.fail("it was not rejected"),
    (error: unknown) => error
  )

/** Connects; the end of the scope drops the connection. */
const connecting = (url: string, options: Parameters<typeof connect>[1] = {}) =>
  Effect.gen(function* () {
    const { signal } = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    return yield* Effect.promise(() => connect(url, { ...options, signal }))
  })

describe.each(SCHEMES)("the client, by %s to a server,", (scheme) => {
  // What a program says with NODE_EXTRA_CA_CERTS.
  const authorities = Tls.getCACertificates("default")
  const trust = (ca: string | Buffer | undefined) => {
    if (ca !== undefined) Tls.setDefaultCACertificates([...authorities, String(ca)])
  }
  beforeAll(() => Tls.setDefaultCACertificates(authorities))
  afterAll(() => Tls.setDefaultCACertificates(authorities))

  it.live("chats: each line once and in order, its own not, and goodbye last", () =>
    Effect.gen(function* () {
      const server = yield* serve(scheme, { rate_limit_msgs_per_minute: 1_000_000 })
      if (scheme === "wss") trust(server.ca)
      const [a, b] = [
        yield* connecting(server.url, { tls: server.tls }),
        yield* connecting(server.url, { tls: server.tls })
      ]
      yield* server.logged(/\(2 clients\)/)
      const count = 2000
      const lines = Array.from({ length: count }, (_, i) => `${i} Zoë 😀 ${"x".repeat(i % 300)}`)
      const received = messages(b, count + 1)
      yield* Effect.promise(async () => {
        for (const line of lines) await a.send(line)
        await a.send("")
      })
      assert.deepStrictEqual(yield* Effect.promise(() => received), [...lines, ""])
      yield* Effect.promise(() => b.send("to a"))
      assert.deepStrictEqual(yield* Effect.promise(() => messages(a, 1)), ["to a"])
      yield* Effect.promise(() => a.close({ goodbye: "bye" }))
      assert.deepStrictEqual(yield* Effect.promise(() => messages(b, 1)), ["bye"])
      assert.isFalse(yield* Effect.promise(() => a.readable()))
      assert.strictEqual(a.dropped + b.dropped, 0)
    })
  )

  it.live("is told by notices apart from messages, and why the server has gone", () =>
    Effect.gen(function* () {
      const server = yield* serve(scheme, { rate_limit_msgs_per_minute: 1 })
      if (scheme === "wss") trust(server.ca)
      const notices: Array<string> = []
      const client = yield* connecting(server.url, {
        tls: server.tls,
        reconnect: false,
        onNotice: (notice) => notices.push(notice)
      })
      yield* Effect.promise(async () => {
        await client.send("one")
        await client.send("two")
        await client.readable()
      })
      yield* server.stop
      const error = yield* Effect.promise(() => rejection(messages(client, 1)))
      assert.strictEqual(error.reason, "the server closed it (Server is shutting down.)")
      assert.deepStrictEqual(
        notices.map((notice) => `${notice}\n`),
        [Notice.RATE_LIMITED, Notice.SHUTTING_DOWN]
      )
    })
  )

  it.live("says why it cannot connect", () =>
    Effect.gen(function* () {
      const reasonOf = (url: string) => Effect.promise(async () => (await rejection(connect(url))).reason)
      assert.strictEqual(yield* reasonOf(`${scheme}://localhost:1`), "connection refused (ECONNREFUSED)")
      if (scheme === "tcp" || scheme === "ws") return
      const { url } = yield* serve(scheme)
      Tls.setDefaultCACertificates(authorities)
      assert.include(yield* reasonOf(url), "no trusted authority has signed the certificate of the server")
    })
  )
})

describe("the client", () => {
  it.each(["localhost:8888", "http://localhost:8888", "tcp://a:b:c", "tcp://", "ws://", "ws://a:b", ""])(
    "refuses what is no URL of a relay: %j",
    async (url) => {
      assert.instanceOf(await rejection(connect(url)), TypeError)
    }
  )

  it.each([
    ["tcp://localhost:1", { tls: {} }],
    ["ws://localhost:1/", { tls: {} }],
    ["ws://localhost:1/", { whenFull: "pause" }]
  ] as const)("refuses for %s what would have no effect: %j", async (url, options) => {
    assert.instanceOf(await rejection(connect(url, options)), TypeError)
  })

  it.live("says of a port that speaks HTTP that it does", () =>
    Effect.gen(function* () {
      const server = yield* serve("ws")
      const url = `tcp://${new URL(server.url).host}`
      const client = yield* connecting(url, { reconnect: false })
      yield* Effect.promise(() => client.send("hello"))
      const error = yield* Effect.promise(() => rejection(messages(client, 1)))
      assert.include(error.reason, "it speaks HTTP")
    })
  )
})
