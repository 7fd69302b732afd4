import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { isUtf8 } from "node:buffer"
import * as Http from "node:http"
import * as Tls from "node:tls"
import { Worker } from "node:worker_threads"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"
import type { Outcome, Task } from "./FloodWorker.ts"
import * as form from "./form.ts"
import * as LoadClient from "./LoadClient.ts"
import { itMeasures, watchMemory } from "./Proc.ts"
import * as Relay from "./Relay.ts"

/**
 * Floods a room over its rate limit from a thread of its own. Done when the server has relayed or rejected the last line, however many of
 * them the kernel has taken at once. The connection stays until the scope closes.
 */
const flood = (relay: Relay.Relay, witness: LoadClient.LoadClient, task: Omit<Task, "port">) =>
  Effect.gen(function* () {
    const worker = yield* Effect.acquireRelease(
      Effect.sync(
        () => new Worker(new URL("./FloodWorker.ts", import.meta.url), { workerData: { ...task, port: relay.port } })
      ),
      (worker) => Effect.promise(() => worker.terminate())
    )
    const outcome = yield* Effect.callback<Outcome>((resume) => {
      worker.once("message", (outcome: Outcome) => resume(Effect.succeed(outcome)))
      worker.once("error", (error) => resume(Effect.die(error)))
    })
    const rejected = () =>
      [...relay.output().matchAll(new RegExp(`:${outcome.port} rate limited(?: (\\d+) times)?`, "g"))].reduce(
        (sum, [, times = 1]) => sum + Number(times),
        0
      )
    yield* Relay.eventually(
      () => witness.others.length + rejected() === outcome.lines,
      () => `${outcome.lines} lines, of which ${witness.others.length} were relayed and ${rejected()} rate limited`
    )
    return outcome
  })

/** Two clients that send each other a small message at a steady rate. */
const bystanders = Effect.fnUntraced(function* (port: number) {
  const a = yield* LoadClient.connect(port, { lineBytes: 40 })
  const b = yield* LoadClient.connect(port, { lineBytes: 40 })
  yield* LoadClient.gathered([a], b)
  yield* LoadClient.gathered([b], a)
  const talking = yield* Effect.forkScoped(
    Effect.forEach([a, b], (client) => client.sendEvenly(Infinity, 1000 / form.flood.everyMillis), {
      concurrency: "unbounded"
    })
  )
  /** Stops talking, and checks that everything has arrived. */
  const finish = Effect.gen(function* () {
    yield* Fiber.interrupt(talking)
    for (const [sender, reader] of [
      [a, b],
      [b, a]
    ] as const) {
      yield* reader.until((self) => self.from(sender).next >= sender.sent, "all lines of the other bystander")
      assert.deepStrictEqual(LoadClient.complete(reader, sender), {
        lines: sender.sent,
        missing: 0,
        disordered: 0,
        damaged: 0
      })
      assert.deepStrictEqual(reader.notices, [])
      assert.isFalse(reader.ended)
    }
    return {
      "bystanders' p99 (ms)": Math.max(a.percentile(0.99), b.percentile(0.99)),
      "latest (ms)": Math.max(a.worstMillis, b.worstMillis),
      messages: a.lines + b.lines
    }
  })
  return { a, b, finish }
})

describe.each(threadCounts)("a flood over the rate limit, with %i thread(s),", (worker_threads) => {
  itMeasures("disturbs no bystander", () =>
    Effect.gen(function* () {
      const { bytes, lineBytes, linesPerMinute } = form.flood
      const relay = yield* Relay.quiet({ limits: { worker_threads, rate_limit_msgs_per_minute: linesPerMinute } })
      const room = yield* bystanders(relay.port)
      const memory = watchMemory(relay.pid)
      const { lines, millis } = yield* flood(relay, room.a, { bytes, lineBytes, reads: true })
      const delivery = yield* room.finish
      const { growth } = memory()
      yield* Relay.measured("a flood over the rate limit", {
        "flood (MB)": bytes / 1e6,
        "took (s)": millis / 1000,
        "memory growth (MiB)": Relay.mib(growth),
        ...delivery
      })
      // Budgets of 60 s: a flood that takes longer gets another one.
      assert.isAtMost(room.a.others.length, linesPerMinute * (1 + Math.floor(millis / 60_000)))
      assert.isAbove(lines, 10 * linesPerMinute)
      assert.isBelow(growth, form.bounds.slackBytes)
    })
  )
})

// A client and its notices are in one thread, however many there are.
describe("a flood over the rate limit", () => {
  itMeasures("fills no memory with warnings that the flooder does not read", () =>
    Effect.gen(function* () {
      const { shortLinesBytes: bytes, shortLineBytes: lineBytes } = form.flood
      const relay = yield* Relay.quiet({ limits: { rate_limit_msgs_per_minute: form.flood.linesPerMinute } })
      const room = yield* bystanders(relay.port)
      const memory = watchMemory(relay.pid)
      const { port } = yield* flood(relay, room.a, { bytes, lineBytes, reads: false })
      const delivery = yield* room.finish
      const { growth } = memory()
      yield* Relay.measured("a flooder who reads no warnings", {
        "flood (MB)": bytes / 1e6,
        "memory growth (MiB)": Relay.mib(growth),
        ...delivery
      })
      assert.isBelow(growth, form.bounds.slackBytes)
      // It has ended its side. The server did not disconnect it: it has sent too much, not read too little.
      assert.notMatch(relay.output(), new RegExp(`:${port} disconnected`))
    })
  )
})

const OVERSIZED = "Warning: Message exceeds 65536 bytes and was dropped."

describe.each(threadCounts)("lines that do not end, with %i thread(s),", (worker_threads) => {
  itMeasures("take no more memory than the longest line allowed", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.quiet({ limits: { worker_threads } })
      const witness = yield* LoadClient.connect(relay.port, { lineBytes: 40 })
      const offenders = yield* LoadClient.connectMany(relay.port, 1 + form.endless.clients, { lineBytes: 40 })
      yield* LoadClient.gathered(offenders, witness)
      const memory = watchMemory(relay.pid)
      const unfinished = Buffer.alloc(form.endless.bytes, "u")
      yield* Effect.forEach(
        offenders,
        (offender, i) =>
          Effect.callback<void>((resume) => {
            const bytes = i === 0 ? unfinished : unfinished.subarray(0, form.endless.bytesEach)
            offender.socket.write(bytes, () => resume(Effect.void))
          }),
        { concurrency: "unbounded" }
      )
      yield* Effect.forEach(offenders, (offender) => offender.until((self) => self.notices.length > 0, "the notice"))
      const { growth } = memory()
      yield* Relay.measured("lines that do not end", {
        "one line (MiB)": Relay.mib(form.endless.bytes),
        "other lines (MiB)": Relay.mib(form.endless.bytesEach * form.endless.clients),
        "memory growth (MiB)": Relay.mib(growth)
      })
      const { garbageBytes, slackBytes } = form.bounds
      assert.isBelow(growth, (form.endless.clients + 1) * 65_536 + worker_threads * garbageBytes + slackBytes)

      for (const offender of offenders) {
        offender.socket.write("\n")
        offender.send(1)
      }
      yield* witness.until((self) => self.lines === offenders.length, "the next line of every offender")
      for (const offender of offenders) {
        assert.deepStrictEqual(offender.notices, [OVERSIZED])
        assert.deepStrictEqual(LoadClient.complete(witness, offender), {
          lines: 1,
          missing: 0,
          disordered: 0,
          damaged: 0
        })
      }
    })
  )
})

const NOT_UTF8 = "Warning: Message is not valid UTF-8 and was dropped."

/** The same bytes in every run. */
const randomBytes = (count: number) => {
  const bytes = Buffer.alloc(count)
  let state = 0x9e3779b9
  for (let i = 0; i < count; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 0xff
  }
  return bytes
}

/** What the lines in `bytes` are to the server: their text, or `undefined` for one that is not UTF-8. */
const linesOf = (bytes: Buffer) => {
  const lines: Array<string | undefined> = []
  for (let from = 0, end = bytes.indexOf(10); end !== -1; from = end + 1, end = bytes.indexOf(10, from)) {
    const line = bytes.subarray(from, end > from && bytes[end - 1] === 13 ? end - 1 : end)
    lines.push(isUtf8(line) ? line.toString() : undefined)
  }
  return lines
}

// What a line is has nothing to do with threads.
describe("bytes of another protocol", () => {
  const samples = {
    "random bytes": Buffer.concat([randomBytes(form.garbage.bytes), Buffer.from("\n")]),
    "invalid UTF-8": Buffer.concat(
      ["c328", "e28281ff", "f0288cbc", "eda080", "c0af", "f4908080", "41ff42"].map((hex) =>
        Buffer.from(`${hex}0a`, "hex")
      )
    )
  }
  for (const [name, bytes] of Object.entries(samples)) {
    it.live(
      `(${name}) are lines, or refused with the notice`,
      () =>
        Effect.gen(function* () {
          const relay = yield* Relay.inProcess()
          const offender = yield* TcpClient.connect(relay.port)
          const witness = yield* TcpClient.connect(relay.port)
          yield* TcpClient.settled(offender, witness)
          yield* TcpClient.settled(witness, offender)
          offender.send(bytes)
          offender.send("still here\n")
          const lines = linesOf(bytes)
          const refused = lines.filter((line) => line === undefined)
          for (const line of lines) {
            if (line !== undefined) assert.strictEqual(yield* witness.line, TcpClient.envelope(offender, line))
          }
          assert.strictEqual(yield* witness.line, TcpClient.envelope(offender, "still here"))
          assert.deepStrictEqual(
            yield* offender.lines(refused.length),
            refused.map(() => NOT_UTF8)
          )
          witness.send("and here\n")
          assert.strictEqual(yield* offender.line, TcpClient.envelope(witness, "and here"))
        }),
      form.timeout
    )
  }

  it.live("(a TLS handshake) end the connection, and reach nobody", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.inProcess()
      const a = yield* TcpClient.connect(relay.port)
      const b = yield* TcpClient.connect(relay.port)
      yield* TcpClient.settled(a, b)
      for (let i = 0; i < 10; i++) {
        yield* Effect.callback<void>((resume) => {
          const tls = Tls.connect({ port: relay.port, host: "127.0.0.1", rejectUnauthorized: false })
          tls.on("error", () => {}).once("close", () => resume(Effect.void))
          return Effect.sync(() => void tls.destroy())
        })
        a.send(`line ${i}\n`)
        assert.strictEqual(yield* b.line, TcpClient.envelope(a, `line ${i}`))
      }
    })
  )

  it.live("(an HTTP request) are relayed line by line", () =>
    Effect.gen(function* () {
      const relay = yield* Relay.inProcess()
      const a = yield* TcpClient.connect(relay.port)
      const b = yield* TcpClient.connect(relay.port)
      yield* TcpClient.settled(a, b)
      const request = yield* Effect.acquireRelease(
        Effect.sync(() => Http.get({ port: relay.port, host: "127.0.0.1", path: "/metrics" }).on("error", () => {})),
        (request) => Effect.sync(() => void request.destroy())
      )
      const contents = (yield* b.lines(4)).map((line) => JSON.parse(line).content)
      assert.deepStrictEqual(contents, [
        "GET /metrics HTTP/1.1",
        `Host: 127.0.0.1:${relay.port}`,
        "Connection: keep-alive",
        ""
      ])
      const failed = Effect.callback<void>((resume) => void request.once("close", () => resume(Effect.void)))
      const failure = yield* Effect.forkScoped(failed, { startImmediately: true })
      a.send("not a response\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "not a response"))
      yield* Fiber.join(failure)
    })
  )
})
