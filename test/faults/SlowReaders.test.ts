import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { threadCounts } from "../support/threadCounts.ts"
import * as form from "./form.ts"
import * as LoadClient from "./LoadClient.ts"
import { itMeasures, watchMemory } from "./Proc.ts"
import * as Relay from "./Relay.ts"

const TOO_SLOW = "Warning: You have been disconnected due to reading too slowly."

/** A test that has all lines in its own log would find in it what it waits for ever more slowly. */
const WARNINGS = { log_level: "WARNING" }

const whole = (lines: number) => ({ lines, missing: 0, disordered: 0, damaged: 0 })

/** What a client got is the beginning of what was sent. */
const assertBeginning = (client: LoadClient.LoadClient, sender: LoadClient.LoadClient) => {
  const { lines, ...wrong } = LoadClient.complete(client, sender)
  assert.deepStrictEqual(wrong, { missing: 0, disordered: 0, damaged: 0 })
  assert.isBelow(lines, sender.sent)
}

/** A room of clients that read and clients that never do, under steady load. */
const neverReading = (fault: string, worker_threads: number, count: number, atLeast: number) =>
  Effect.gen(function* () {
    const { lineBytes, limits, readers: readerCount } = form.stalled
    const relay = yield* Relay.quiet({ limits: { worker_threads, slow_consumer: limits } })
    const sender = yield* LoadClient.connect(relay.port, { lineBytes })
    const readers = yield* LoadClient.connectMany(relay.port, readerCount, { lineBytes })
    const deaf = yield* LoadClient.connectMany(relay.port, count, { lineBytes, reads: false })
    yield* LoadClient.gathered([sender, ...readers.slice(1), ...deaf], readers[0]!)
    const isSaid = (client: LoadClient.LoadClient, what: string) =>
      new RegExp(`127\\.0\\.0\\.1:${client.port} ${what}`).test(relay.output())
    const sendUntil = Effect.fnUntraced(function* (isDone: () => boolean) {
      while (!isDone()) {
        yield* sender.sendFast(form.stalled.round)
        yield* Effect.forEach(readers, (reader) =>
          reader.until((self) => self.from(sender).next >= sender.sent, "all lines of the sender")
        )
      }
    })
    // The kernel takes more or less for each of them before the server has anything to keep.
    yield* sendUntil(() => deaf.some((client) => isSaid(client, "slow")))
    const memory = watchMemory(relay.pid)
    yield* sendUntil(
      () => sender.sent >= atLeast && deaf.every((client) => isSaid(client, "disconnected: reading too slowly"))
    )
    for (const reader of readers) {
      assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(sender.sent))
      assert.deepStrictEqual(reader.notices, [])
      assert.isFalse(reader.ended)
    }
    const { growth } = memory()
    yield* Relay.measured(fault, {
      "latest delivery (ms)": Math.max(...readers.map((reader) => reader.worstMillis)),
      "p99 (ms)": Math.max(...readers.map((reader) => reader.percentile(0.99))),
      "memory growth (MiB)": Relay.mib(growth),
      "hard limit (MiB)": Relay.mib(limits.hard_limit_bytes)
    })
    assert.isBelow(growth, limits.hard_limit_bytes + form.bounds.slackBytes + count * form.bounds.bytesPerClient)

    assert.notInclude(relay.output(), "quarantined")
    return { relay, readers }
  })

describe.each(threadCounts)("a client that never reads, with %i thread(s),", (worker_threads) => {
  itMeasures("costs hardly more memory when there are many of them, does not hold up the others, and is evicted", () =>
    Effect.gen(function* () {
      const { many, manyLines } = form.stalled
      const { readers, relay } = yield* neverReading("many never read", worker_threads, many, manyLines)
      // The clients were disconnected, not quarantined.
      const again = yield* LoadClient.connect(relay.port, { lineBytes: form.stalled.lineBytes })
      yield* LoadClient.gathered([again], readers[0]!)
    })
  )
})

// How a thread treats a slow client of its own does not depend on the number of threads.
describe("a client that never reads", () => {
  itMeasures("does not hold up the others, and is evicted", () =>
    neverReading("one never reads", 1, 1, form.stalled.lines)
  )

  itMeasures("does not hold up the others when many stop reading one after another", () =>
    Effect.gen(function* () {
      const { lineBytes } = form.stalled
      const { clients, everyLines } = form.takingTurns
      const relay = yield* Relay.inProcess({ logger: WARNINGS })
      const sender = yield* LoadClient.connect(relay.port, { lineBytes })
      const reader = yield* LoadClient.connect(relay.port, { lineBytes })
      const others = yield* LoadClient.connectMany(relay.port, clients, { lineBytes })
      yield* LoadClient.gathered([sender, ...others], reader)
      for (const [i, other] of others.entries()) {
        other.socket.on("data", () => {
          if (other.lines >= i * everyLines) other.pause()
        })
      }
      const slow = () => new Set(relay.output().match(/\S+ slow$/gm)).size
      while (slow() <= clients / 2) yield* sender.sendInStep(everyLines, reader)
      assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(sender.sent))
      yield* Relay.measured("many stop reading one after another", {
        "latest delivery (ms)": reader.worstMillis,
        "p99 (ms)": reader.percentile(0.99)
      })
    })
  )

  itMeasures("is told why it is disconnected, behind whole lines, if it reads again in time", () =>
    Effect.gen(function* () {
      const lineBytes = 8000
      const relay = yield* Relay.inProcess({
        logger: WARNINGS,
        limits: { shutdown_grace_ms: 600_000, slow_consumer: form.dropping.limits }
      })
      const sender = yield* LoadClient.connect(relay.port, { lineBytes })
      const reader = yield* LoadClient.connect(relay.port, { lineBytes })
      const deaf = yield* LoadClient.connect(relay.port, { lineBytes, reads: false })
      yield* LoadClient.gathered([sender, deaf], reader)
      while (!relay.output().includes("disconnected: reading too slowly")) yield* sender.sendFast(100)
      deaf.read()
      yield* deaf.until((self) => self.ended, "the end")
      assert.deepStrictEqual(deaf.notices, [TOO_SLOW])
      assertBeginning(deaf, sender)
      assert.isAbove(deaf.from(sender).lines, 0)
    })
  )
})

describe.each(threadCounts)("an agent that pauses, with %i thread(s),", (worker_threads) => {
  itMeasures("gets every message, in order, and does not hold up the others", () =>
    Effect.gen(function* () {
      const { lineBytes, lines } = form.pause
      const relay = yield* Relay.inProcess({ logger: WARNINGS, limits: { worker_threads } })
      const sender = yield* LoadClient.connect(relay.port, { lineBytes })
      const reader = yield* LoadClient.connect(relay.port, { lineBytes })
      const agent = yield* LoadClient.connect(relay.port, { lineBytes })
      yield* LoadClient.gathered([sender, agent], reader)
      agent.pause()
      // Before that, the kernel holds everything, and the server nothing.
      const isSlow = () => relay.output().includes(`127.0.0.1:${agent.port} slow`)
      while (!isSlow()) yield* sender.sendInStep(form.pause.round, reader)
      yield* sender.sendInStep(lines, reader)
      assert.isAbove(sender.sent - agent.lines, lines)
      agent.read()
      yield* agent.until((self) => self.from(sender).next >= sender.sent, "all lines at the agent")
      assert.deepStrictEqual(LoadClient.complete(agent, sender), whole(sender.sent))
      assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(sender.sent))
      assert.deepStrictEqual(agent.notices, [])
      yield* Relay.measured("an agent pauses", {
        "lines while it paused": sender.sent - lines,
        "latest delivery to others (ms)": reader.worstMillis
      })
    })
  )
})

describe.each(threadCounts)("a backlog at the hard limit, with %i thread(s),", (worker_threads) => {
  for (const policy of ["drop_oldest", "drop_newest"] as const) {
    // One policy shows whether threads change anything.
    if (worker_threads > 1 && policy === "drop_newest") continue
    itMeasures(`loses whole messages, which are counted, with ${policy}`, () =>
      Effect.gen(function* () {
        const { limits, lineBytes } = form.dropping
        const relay = yield* Relay.quiet({
          limits: { worker_threads, slow_consumer: { policy, ...limits } },
          groups: { admin: { port: 0 } }
        })
        const [, url] = yield* relay.printed(/admin on (http:\S+)/)
        const sender = yield* LoadClient.connect(relay.port, { lineBytes })
        const reader = yield* LoadClient.connect(relay.port, { lineBytes })
        const sleeper = yield* LoadClient.connect(relay.port, { lineBytes, reads: false })
        yield* LoadClient.gathered([sender, sleeper], reader)
        const memory = watchMemory(relay.pid)
        let before = 0
        while ((yield* droppedBy(url!)) === 0) {
          before = sender.sent
          yield* sender.sendInStep(form.dropping.round, reader)
        }
        yield* sender.sendInStep(form.dropping.lines, reader)
        const lines = sender.sent
        assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(lines))

        sleeper.read()
        yield* sleeper.until((self) => droppedOf(self) + self.from(sender).lines >= lines, "what is left")
        const { firstMissing, next } = sleeper.from(sender)
        // The first line that did not fit was one of the round after these, whatever the kernel has taken before and after it.
        if (policy === "drop_newest") assert.isAtLeast(firstMissing, before)
        else {
          assert.isBelow(firstMissing, before - limits.hard_limit_bytes / 2 / lineBytes)
          assert.strictEqual(next, lines)
        }
        // Neither policy may lose what comes after the backlog is gone.
        yield* sender.sendFast(1)
        yield* sleeper.until((self) => self.from(sender).next > lines, "the next line")
        const { damaged, disordered, missing, lines: received } = LoadClient.complete(sleeper, sender)
        const dropped = droppedOf(sleeper)
        yield* Relay.measured(policy, {
          sent: sender.sent,
          received,
          dropped,
          "memory growth (MiB)": Relay.mib(memory().growth)
        })
        assert.deepStrictEqual({ damaged, disordered }, { damaged: 0, disordered: 0 })
        assert.strictEqual(missing, dropped)
        // Of a thread it is as old as what that has reported last.
        yield* Effect.repeat(Effect.delay(droppedBy(url!), 50), { until: (count) => count === dropped })
        assert.strictEqual(received + dropped, sender.sent)
        const { garbageBytes, slackBytes } = form.bounds
        assert.isBelow(memory().growth, limits.hard_limit_bytes + worker_threads * garbageBytes + slackBytes)
      })
    )
  }
})

/** Deliveries that a server has dropped, as its metrics page says. */
const droppedBy = (url: string) =>
  Effect.promise(async () => {
    const page = await (await fetch(`${url}/metrics`)).text()
    return Number(/^summoner_deliveries_dropped_total (\d+)$/m.exec(page)![1])
  })

const DROPPED = /^Warning: You are reading too slowly and (\d+) messages? (?:was|were) dropped\.$/

const droppedOf = (client: LoadClient.LoadClient) => {
  let dropped = 0
  for (const notice of client.notices) {
    const match = DROPPED.exec(notice)
    assert.isNotNull(match, notice)
    dropped += Number(match![1])
  }
  return dropped
}

describe.each(threadCounts)("the fastest possible sender, with %i thread(s),", (worker_threads) => {
  itMeasures("loses nothing in a room of healthy readers, and fills no memory", () =>
    Effect.gen(function* () {
      const { limits, lineBytes, lines, memoryBytes, receivers } = form.fastest
      const relay = yield* Relay.quiet({ limits: { worker_threads, slow_consumer: limits } })
      const sender = yield* LoadClient.connect(relay.port, { lineBytes })
      const readers = yield* LoadClient.connectMany(relay.port, receivers, { lineBytes })
      yield* LoadClient.gathered([sender, ...readers.slice(1)], readers[0]!)
      const memory = watchMemory(relay.pid)
      const start = performance.now()
      yield* sender.sendFast(lines)
      yield* Effect.forEach(readers, (reader) => reader.until((self) => self.from(sender).next >= lines, "all lines"))
      const seconds = (performance.now() - start) / 1000
      for (const reader of readers) assert.deepStrictEqual(LoadClient.complete(reader, sender), whole(lines))
      const { peak } = memory()
      yield* Relay.measured("the fastest possible sender", {
        "peak memory (MiB)": Relay.mib(peak),
        "million deliveries per second": (lines * receivers) / seconds / 1e6
      })
      assert.isAtMost(peak, memoryBytes + (worker_threads - 1) * form.bounds.bytesPerThread)
    })
  )
})
