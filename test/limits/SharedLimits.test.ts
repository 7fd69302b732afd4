import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { on, once } from "node:events"
import { Worker } from "node:worker_threads"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { monotonicMillis } from "../../src/internal/time.ts"
import { ClientLimits } from "../../src/limits/ClientLimits.ts"
import { Quarantine } from "../../src/limits/Quarantine.ts"
import { RateLimiter } from "../../src/limits/RateLimiter.ts"
import * as SharedLimits from "../../src/limits/SharedLimits.ts"
import { SharedTable } from "../../src/limits/SharedTable.ts"
import { SOAK } from "../faults/form.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { bundled } from "../support/bundled.ts"
import { openUnsafe, type Opened } from "../support/Budgets.ts"
import type { Counted, Data } from "../support/programs/LimitedThread.ts"

const THREADS = 3

const THREAD = await bundled(new URL("../support/programs/LimitedThread.ts", import.meta.url))

/** Of termination at a point that chance chooses. */
const ROUNDS = SOAK ? 20 : 1

const servicesOf = Effect.fnUntraced(function* (
  layer: Layer.Layer<ClientLimits | RateLimiter | Quarantine, never, ServerConfig>,
  values: Parameters<typeof ServerConfig.layerTest>[0]
) {
  const context = yield* Layer.build(Layer.provide(Layer.fresh(layer), ServerConfig.layerTest(values)))
  return {
    limits: Context.get(context, ClientLimits),
    rateLimiter: Context.get(context, RateLimiter),
    quarantine: Context.get(context, Quarantine)
  }
})

const oneThread = Layer.mergeAll(ClientLimits.layer, RateLimiter.layerFixedWindow, Quarantine.layer)

interface Visitor {
  readonly ip: string
  readonly transport: string
  readonly thread: number
  readonly budgets: readonly [Opened, Opened]
}

describe("limits that threads share", () => {
  const step = Arbitrary.all({
    thread: arbitraries.int(0, THREADS - 1),
    which: arbitraries.int(0, 5),
    what: arbitraries.int(0, 30)
  })

  it.effect.prop(
    "answer each thread as those of one thread would that does everything itself, also after threads have ended",
    { steps: Arbitrary.array(step, { minLength: 150, maxLength: 200 }), isByAddress: arbitraries.boolean },
    ({ isByAddress, steps }) =>
      Effect.gen(function* () {
        const values = {
          hyper_parameters: {
            max_clients: 6,
            max_clients_per_ip: 3,
            rate_limit_scope: "ip",
            rate_limit_msgs_per_minute: 4,
            quarantine_cooldown_secs: 50,
            quarantine_cleanup_interval_secs: 30,
            quarantine_scope: isByAddress ? "address" : "ip"
          },
          websocket: { max_clients: 2 }
        } as const
        const shared = SharedLimits.share(THREADS)
        const expected = yield* servicesOf(oneThread, values)
        const actual = yield* Effect.forEach(Array(THREADS).keys(), (index) =>
          servicesOf(SharedLimits.layer(shared, index), values)
        )
        let visitors: Array<Visitor> = []
        for (const { thread, what, which } of steps) {
          const { limits, quarantine, rateLimiter } = actual[thread]!
          const now = monotonicMillis(yield* Clock.Clock)
          const ip = `10.0.0.${which >> 1}`
          const suspect = { ip, address: `${ip}:${which}` }
          const both = <A>(ask: (services: typeof expected) => A) =>
            assert.deepStrictEqual(ask(actual[thread]!), ask(expected))
          if (what <= 7) {
            const client = { ip, transport: what <= 3 ? "tcp" : "websocket" }
            const mayEnter = limits.enterUnsafe(client)
            assert.strictEqual(mayEnter, expected.limits.enterUnsafe(client))
            if (mayEnter) {
              const budgets = [openUnsafe(rateLimiter, ip, now), openUnsafe(expected.rateLimiter, ip, now)] as const
              visitors.push({ ...client, thread, budgets })
            }
          } else if (what <= 11) {
            const visitor = visitors[which]
            if (visitor === undefined) continue
            visitors = visitors.filter((other) => other !== visitor)
            for (const budget of visitor.budgets) budget.closeUnsafe()
            for (const services of [actual[visitor.thread]!, expected]) services.limits.leaveUnsafe(visitor)
          } else if (what <= 16) {
            const visitor = visitors[which]
            if (visitor !== undefined)
              assert.strictEqual(...(visitor.budgets.map((b) => b.spendUnsafe(now)) as [boolean, boolean]))
          } else if (what <= 18) {
            quarantine.addUnsafe(suspect)
            expected.quarantine.addUnsafe(suspect)
          } else if (what === 19) {
            quarantine.addKeyUnsafe(suspect.ip, which * 10_000)
            expected.quarantine.addKeyUnsafe(suspect.ip, which * 10_000)
          } else if (what === 20)
            both(({ quarantine }) => quarantine.liftUnsafe(isByAddress ? suspect.address : suspect.ip))
          else if (what <= 24) {
            both(({ quarantine }) => quarantine.remainingMillisUnsafe(suspect))
            both(({ quarantine }) => quarantine.listUnsafe())
            both(({ quarantine }) => quarantine.sizeUnsafe())
          } else if (what <= 27) {
            both(({ limits }) => limits.countFromUnsafe(ip))
            assert.strictEqual(
              SharedLimits.otherClientsUnsafe(shared, thread)(),
              visitors.filter((visitor) => visitor.thread !== thread).length
            )
          } else if (what <= 29) yield* TestClock.adjust(which * 7_000)
          else {
            yield* SharedLimits.releaseThread(shared, thread)
            for (const visitor of visitors.filter((visitor) => visitor.thread === thread)) {
              visitor.budgets[1].closeUnsafe()
              expected.limits.leaveUnsafe(visitor)
            }
            visitors = visitors.filter((visitor) => visitor.thread !== thread)
          }
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 20 } }
  )

  it.effect("know how many clients are in the room, without those of a thread that has ended", () =>
    Effect.gen(function* () {
      const shared = SharedLimits.share(THREADS)
      const [first, second] = [SharedLimits.sharedRoom(shared, 0), SharedLimits.sharedRoom(shared, 1)]
      const sizeUnsafe = SharedLimits.roomSizeUnsafe(shared)
      first.tellUnsafe(2)
      second.tellUnsafe(3)
      assert.deepStrictEqual([first.othersUnsafe(), second.othersUnsafe(), sizeUnsafe()], [3, 2, 5])
      yield* SharedLimits.releaseThread(shared, 0)
      assert.deepStrictEqual([first.othersUnsafe(), second.othersUnsafe(), sizeUnsafe()], [3, 0, 3])
    })
  )

  it.effect("of the Python profile bound clients only", () =>
    Effect.gen(function* () {
      const shared = SharedLimits.share(1)
      const { limits, quarantine, rateLimiter } = yield* servicesOf(SharedLimits.layer(shared, 0), {
        version: "python",
        hyper_parameters: { max_clients: 1, rate_limit_msgs_per_minute: 1, rate_limit_scope: "ip" }
      })
      const client = { ip: "a", transport: "tcp", address: "a:1" }
      assert.deepStrictEqual([limits.enterUnsafe(client), limits.enterUnsafe(client)], [true, false])
      const budget = openUnsafe(rateLimiter, "a", 0)
      assert.deepStrictEqual([budget.spendUnsafe(0), budget.spendUnsafe(0)], [true, true])
      quarantine.addUnsafe(client)
      assert.strictEqual(quarantine.remainingMillisUnsafe(client), 0)
    }).pipe(Effect.scoped)
  )

  it.effect("refuse a client of one more IP address than they have room for, and take it when there is room", () =>
    Effect.gen(function* () {
      const shared = SharedLimits.share(1)
      const { limits } = yield* servicesOf(SharedLimits.layer(shared, 0), {
        hyper_parameters: { max_clients: 4_294_967_295 }
      })
      const enter = (n: number) => limits.enterUnsafe({ ip: `ip ${n}`, transport: "tcp" })
      let entered = 0
      while (entered <= SharedLimits.MAX_IPS && enter(entered)) entered++
      assert.strictEqual(entered, SharedLimits.MAX_IPS)
      assert.isFalse(enter(SharedLimits.MAX_IPS))
      assert.isTrue(enter(0), "an address that has room already")
      limits.leaveUnsafe({ ip: "ip 1", transport: "tcp" })
      assert.isTrue(enter(SharedLimits.MAX_IPS))
    }).pipe(Effect.scoped)
  )

  const MAX_CLIENTS = 7
  const MAX_CLIENTS_PER_IP = 3
  const MAX_WEB_SOCKETS = 4
  const RATE_LIMIT = 300_000

  const config = {
    hyper_parameters: {
      max_clients: MAX_CLIENTS,
      max_clients_per_ip: MAX_CLIENTS_PER_IP,
      rate_limit_scope: "ip",
      rate_limit_msgs_per_minute: RATE_LIMIT
    },
    websocket: { max_clients: MAX_WEB_SOCKETS }
  } as const

  /** The most that may be in at once: in all, by WebSocket, and from each of five addresses. */
  const most = [MAX_CLIENTS, MAX_WEB_SOCKETS, ...Array(5).fill(MAX_CLIENTS_PER_IP)]

  const share = () => ({
    shared: SharedLimits.share(THREADS),
    witness: new SharedArrayBuffer((1 + THREADS) * most.length * 4),
    go: new SharedArrayBuffer(4),
    config
  })

  const start = Effect.fnUntraced(function* (data: Data) {
    const worker = yield* Effect.acquireRelease(
      Effect.sync(() => new Worker(THREAD, { workerData: data })),
      (worker) => Effect.promise(() => worker.terminate())
    )
    const exit = once(worker, "exit")
    // Kept until they are asked for.
    const messages = on(worker, "message")
    yield* Effect.promise(() => messages.next())
    return {
      counted: Effect.map(
        Effect.promise(() => messages.next() as Promise<{ readonly value: [Counted] }>),
        ({ value: [counted] }) => counted
      ),
      terminate: Effect.promise(() => worker.terminate()),
      exit: Effect.promise(() => exit)
    }
  })

  const go = ({ go }: ReturnType<typeof share>) => {
    const cell = new Int32Array(go)
    Atomics.store(cell, 0, 1)
    Atomics.notify(cell, 0)
  }

  const assertNobodyIsLeft = ({ counts, ips }: SharedLimits.Shared) => {
    assert.deepStrictEqual(Array.from(new Int32Array(counts)), Array(THREADS * 2).fill(0))
    assert.strictEqual(new SharedTable(ips, 0).size, 0)
  }

  /** As the supervisor learns of the end of a thread. */
  const release = ({ shared, witness }: ReturnType<typeof share>, index: number) => {
    const counts = new Int32Array(witness)
    for (const i of most.keys()) Atomics.sub(counts, i, counts[(index + 1) * most.length + i]!)
    return SharedLimits.releaseThread(shared, index)
  }

  it.live(
    "let threads that try at full speed exceed none of them while others are terminated, and get every place back",
    () =>
      Effect.gen(function* () {
        for (let round = 0; round < ROUNDS; round++) {
          const all = share()
          const clock = yield* Clock.Clock
          const [a, b, c] = yield* Effect.forEach(
            [10_000, 10_000, Infinity] as const,
            (rounds, index) => start({ ...all, index, task: "visit", rounds }),
            { concurrency: "unbounded" }
          )
          const before = monotonicMillis(clock)
          go(all)
          yield* c!.terminate
          yield* release(all, 2)
          const counted = yield* Effect.all([a!.counted, b!.counted], { concurrency: "unbounded" })
          const after = monotonicMillis(clock)
          for (const [i, limit] of most.entries()) {
            for (const { most } of counted) assert.isAtMost(most[i]!, limit)
          }
          assert.strictEqual(counted[0].passed + counted[1].passed, RATE_LIMIT)
          assertNobodyIsLeft(all.shared)
          // What one thread calls a time is one to all others.
          for (const { millis } of counted) {
            assert.isAtLeast(millis, before)
            assert.isAtMost(millis, after)
          }
        }
      }).pipe(Effect.scoped)
  )

  it.live(
    "get back what threads held that end together in the middle of a step, while another waits for their locks",
    () =>
      Effect.gen(function* () {
        const all = share()
        go(all)
        const crashing = yield* start({ ...all, index: 0, task: "crash", rounds: 0 })
        yield* crashing.exit
        const other = yield* start({ ...all, index: 1, task: "visit", rounds: 100 })
        assert.strictEqual(SharedLimits.otherClientsUnsafe(all.shared, 1)(), 2)
        // A thread that has ended, too, and held nothing. Its release waits for that of the first.
        const second = yield* Effect.forkChild(SharedLimits.releaseThread(all.shared, 2), { startImmediately: true })
        assert.isUndefined(second.pollUnsafe())
        yield* SharedLimits.releaseThread(all.shared, 0)
        yield* Fiber.join(second)
        yield* other.counted
        assertNobodyIsLeft(all.shared)
      }).pipe(Effect.scoped)
  )
})
