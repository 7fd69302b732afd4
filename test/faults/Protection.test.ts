import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { networkInterfaces } from "node:os"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as form from "./form.ts"
import * as Relay from "./Relay.ts"

const BACKPRESSURE = "Warning: You have been disconnected due to backpressure."
const RATE_LIMITED = "Warning: You are sending messages too quickly. Please slow down."
const SHUTTING_DOWN = "Warning: Server is shutting down."
const QUARANTINED = /^Warning: You are quarantined\. Please try again in (\d+) seconds?\.$/

const joined = (relay: Pick<Relay.Relay, "printed">, client: TcpClient.TcpClient) =>
  relay.printed(new RegExp(`${client.address.replaceAll(".", "\\.").replace(/[[\]]/g, "\\$&")} connected`))

/** A relay whose room is too large at three, and what happens to the one who speaks in it. */
const crowded = Effect.fnUntraced(function* (limits: object, host = "127.0.0.1") {
  const relay = yield* Relay.inProcess({
    host,
    limits: {
      backpressure_policy: { enable_throttle: false, enable_flow_control: false, disconnect_threshold: 2 },
      ...limits
    }
  })
  const a = yield* TcpClient.connect(relay.port)
  const b = yield* TcpClient.connect(relay.port)
  yield* TcpClient.settled(a, b)
  const speaker = yield* TcpClient.connect(relay.port)
  yield* joined(relay, speaker)
  speaker.send("too many ears\n")
  assert.deepStrictEqual(yield* speaker.rest, [BACKPRESSURE])
  yield* relay.printed(new RegExp(`${speaker.address} disconnected: .*quarantined`))
  // The line was not relayed, and whoever was there before stays.
  a.send("still here\n")
  assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))
  b.send("me too\n")
  assert.strictEqual(yield* a.line, TcpClient.envelope(b, "me too"))
  return { relay, a, b }
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)

describe.each(threadCounts)("a client disconnected by backpressure, with %i thread(s),", (worker_threads) => {
  it.live("is kept out by its IP address, which keeps out no other", () =>
    Effect.gen(function* () {
      const { relay } = yield* crowded({ worker_threads, quarantine_cooldown_secs: 100_000 })
      const refused = yield* TcpClient.connect(relay.port)
      const notice = yield* refused.rest
      assert.strictEqual(notice.length, 1)
      const seconds = Number(QUARANTINED.exec(notice[0]!)?.[1])
      assert.isAtMost(seconds, 100_000)
      assert.isAbove(seconds, 99_000)
      const elsewhere = yield* TcpClient.connect(relay.port, { localAddress: "127.0.0.2" })
      yield* joined(relay, elsewhere)
    })
  )

  it.live("is let in again once the cooldown is over", () =>
    Effect.gen(function* () {
      const { a, b, relay } = yield* crowded({ worker_threads, quarantine_cooldown_secs: 1 })
      // Back in, and in a room small enough to speak in.
      a.socket.end()
      yield* relay.printed(new RegExp(`${a.address} disconnected`))
      while (true) {
        const again = yield* TcpClient.connect(relay.port)
        const isIn = yield* Effect.raceFirst(
          Effect.as(joined(relay, again), true),
          Effect.andThen(again.rest, Effect.succeed(false))
        )
        if (!isIn) {
          // A connection that is tried more often may be reset instead of told.
          yield* Effect.sleep("100 millis")
          continue
        }
        again.send("back\n")
        assert.strictEqual(yield* b.line, TcpClient.envelope(again, "back"))
        break
      }
    })
  )

  // How a client is named is the same in any thread.
  if (worker_threads > 1) return

  it.live.skipIf(!hasIpv6)(
    `is kept out by its IPv4 address on a dual-stack socket, too${hasIpv6 ? "" : " (skipped: there is no IPv6)"}`,
    () =>
      Effect.gen(function* () {
        const { relay } = yield* crowded({ worker_threads }, "::")
        const refused = yield* TcpClient.connect(relay.port, { host: "::ffff:127.0.0.1" })
        assert.match((yield* refused.rest).join(), QUARANTINED)
        const other = yield* TcpClient.connect(relay.port, { host: "::1" })
        yield* joined(relay, other)
      })
  )

  it.live('may return at once with the scope "address"', () =>
    Effect.gen(function* () {
      const { relay } = yield* crowded({ worker_threads, quarantine_scope: "address" })
      const again = yield* TcpClient.connect(relay.port)
      yield* joined(relay, again)
    })
  )
})

describe.each(threadCounts)("the budget of the rate limit, with %i thread(s),", (worker_threads) => {
  for (const [scope, isReset] of [
    ["ip", false],
    ["connection", true]
  ] as const) {
    // Only that of an address is shared.
    if (worker_threads > 1 && isReset) continue
    it.live(`${isReset ? "begins anew" : "goes on"} after a reconnect with the scope "${scope}"`, () =>
      Effect.gen(function* () {
        const relay = yield* Relay.inProcess({
          limits: { worker_threads, rate_limit_msgs_per_minute: 3, rate_limit_scope: scope }
        })
        const witness = yield* TcpClient.connect(relay.port, { localAddress: "127.0.0.2" })
        yield* joined(relay, witness)
        const first = yield* TcpClient.connect(relay.port)
        first.send("1\n2\n3\n4\n")
        assert.deepStrictEqual(
          yield* witness.lines(3),
          ["1", "2", "3"].map((content) => TcpClient.envelope(first, content))
        )
        assert.strictEqual(yield* first.line, RATE_LIMITED)
        first.socket.end()
        yield* relay.printed(new RegExp(`${first.address} disconnected`))

        const second = yield* TcpClient.connect(relay.port)
        second.send("again\n")
        if (isReset) assert.strictEqual(yield* witness.line, TcpClient.envelope(second, "again"))
        else assert.strictEqual(yield* second.line, RATE_LIMITED)
        // Another IP address has a budget of its own in any case.
        witness.send("mine\n")
        assert.strictEqual(yield* second.line, TcpClient.envelope(witness, "mine"))
      })
    )
  }
})

describe.each(threadCounts)("a burst of lines above the throttle threshold, with %i thread(s),", (worker_threads) => {
  const throttling = (throttle_delay_ms: number) =>
    Relay.inProcess({
      limits: {
        worker_threads,
        throttle_delay_ms,
        backpressure_policy: { throttle_threshold: 1, enable_flow_control: false, enable_disconnect: false }
      }
    })

  it.live("takes a delay for each line but the first", () =>
    Effect.gen(function* () {
      const { delayMillis, lines } = form.burst
      const relay = yield* throttling(delayMillis)
      const reader = yield* TcpClient.connect(relay.port)
      yield* joined(relay, reader)
      const sender = yield* TcpClient.connect(relay.port)
      const contents = Array.from({ length: lines }, (_, i) => `line ${i}`)
      const start = performance.now()
      sender.send(contents.map((content) => `${content}\n`).join(""))
      assert.deepStrictEqual(
        yield* reader.lines(lines),
        contents.map((content) => TcpClient.envelope(sender, content))
      )
      const took = performance.now() - start
      yield* Relay.measured("a throttled burst", {
        lines,
        "took (ms)": took,
        "at least (ms)": (lines - 1) * delayMillis
      })
      // Node's timers may ring up to a millisecond early.
      assert.isAtLeast(took, (lines - 1) * (delayMillis - 1))
    })
  )

  // A sender waits by itself, in any thread; `Endings` ends two threads in which senders wait.
  if (worker_threads > 1) return

  it.live("does not delay the lines of another sender", () =>
    Effect.gen(function* () {
      const relay = yield* throttling(600_000)
      const reader = yield* TcpClient.connect(relay.port)
      yield* joined(relay, reader)
      const sender = yield* TcpClient.connect(relay.port)
      const other = yield* TcpClient.connect(relay.port)
      yield* joined(relay, other)
      sender.send("one\ntwo\n")
      assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "one"))
      other.send("me\n")
      assert.strictEqual(yield* reader.line, TcpClient.envelope(other, "me"))
    })
  )

  it.live("does not keep a shutdown from the client that is held back", () =>
    Effect.gen(function* () {
      const relay = yield* throttling(600_000)
      const reader = yield* TcpClient.connect(relay.port)
      yield* joined(relay, reader)
      const sender = yield* TcpClient.connect(relay.port)
      sender.send("one\ntwo\n")
      assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "one"))
      const stopping = yield* Effect.forkChild(relay.stop)
      assert.deepStrictEqual(yield* sender.rest, [SHUTTING_DOWN])
      assert.deepStrictEqual(yield* reader.rest, [SHUTTING_DOWN])
      sender.socket.end()
      reader.socket.end()
      yield* Fiber.join(stopping)
    })
  )
})
