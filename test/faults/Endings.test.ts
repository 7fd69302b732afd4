import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, statSync, truncateSync } from "node:fs"
import * as Cli from "../support/Cli.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as form from "./form.ts"
import * as LoadClient from "./LoadClient.ts"
import * as Relay from "./Relay.ts"

const SHUTTING_DOWN = "Warning: Server is shutting down."

/** No outgoing connection takes a port of this address by chance while the server restarts. */
const HOST = "127.0.0.77"

const rounds = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

describe.each(threadCounts)("SIGTERM under full load, with %i thread(s),", (worker_threads) => {
  for (const round of rounds(form.shutdown.rounds)) {
    it.live(
      `brings every client the notice and every reader the same lines (${round})`,
      () =>
        Effect.gen(function* () {
          const { busyLines, graceMillis } = form.shutdown
          const lineBytes = 2000
          const relay = yield* Relay.quiet({
            limits: {
              worker_threads,
              shutdown_grace_ms: graceMillis,
              throttle_delay_ms: 600_000,
              flow_control_delay_ms: 600_000,
              backpressure_policy: { throttle_threshold: 11, flow_control_threshold: 12, enable_disconnect: false },
              slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 1_000_000_000 }
            }
          })
          const readers = yield* LoadClient.connectMany(relay.port, 5, { lineBytes })
          const busy = yield* LoadClient.connectMany(relay.port, 3, { lineBytes })
          const deaf = yield* LoadClient.connect(relay.port, { lineBytes, reads: false })
          const passers = yield* LoadClient.connectMany(relay.port, 2, { lineBytes })
          yield* LoadClient.gathered([...readers.slice(1), ...busy, deaf, ...passers], readers[0]!)

          // In a room of 13 a sender is paused, in one of 12 throttled, and in one of 11 left alone.
          const throttled = yield* LoadClient.connect(relay.port, { lineBytes })
          const paused = yield* LoadClient.connect(relay.port, { lineBytes })
          const held = [paused, throttled]
          for (const [i, sender] of held.entries()) {
            sender.send(2)
            yield* readers[0]!.until((self) => self.from(sender).lines === 1, "the line before the wait")
            passers[i]!.socket.end()
            yield* passers[i]!.until((self) => self.ended, "the goodbye")
          }
          for (const sender of busy) yield* Effect.forkScoped(sender.sendFast(1_000_000))
          yield* relay.printed(new RegExp(`:${deaf.port} slow`))
          yield* readers[0]!.until((self) => self.lines > busyLines, "the load")

          const start = performance.now()
          relay.process.kill("SIGTERM")
          for (const client of [...readers, ...held, ...busy]) {
            yield* client.until((self) => self.ended, "the end")
            assert.deepStrictEqual(client.notices, [SHUTTING_DOWN])
          }
          // The server would wait for it as long as the grace lasts.
          deaf.socket.destroy()
          assert.deepStrictEqual(yield* relay.exit, { code: 0, signal: null })
          const took = performance.now() - start
          for (const sender of [...busy, ...held]) {
            const seen = readers.map((reader) => LoadClient.complete(reader, sender))
            const { lines } = seen[0]!
            assert.deepStrictEqual(
              seen,
              readers.map(() => ({ lines, missing: 0, disordered: 0, damaged: 0 }))
            )
          }
          for (const sender of held) assert.strictEqual(readers[0]!.from(sender).lines, 1)
          yield* Relay.measured("SIGTERM under full load", {
            "exit after (ms)": took,
            "lines relayed": readers[0]!.lines
          })
        }),
      form.timeout
    )
  }
})

describe.each(threadCounts)("SIGTERM while senders wait for a reader, with %i thread(s),", (worker_threads) => {
  it.live(
    "brings every reader the same lines",
    () =>
      Effect.gen(function* () {
        const lineBytes = 2000
        const relay = yield* Relay.quiet({
          limits: {
            worker_threads,
            shutdown_grace_ms: form.shutdown.graceMillis,
            slow_consumer: { soft_limit_bytes: 65_536, stall_grace_ms: 600_000 }
          }
        })
        // The server ends the sessions in the order in which they began: some readers before the one, some behind.
        const readers: Array<LoadClient.LoadClient> = []
        for (let i = 0; i < 5; i++) readers.push(yield* LoadClient.connect(relay.port, { lineBytes }))
        const busy = yield* LoadClient.connectMany(relay.port, 3, { lineBytes })
        yield* LoadClient.gathered([...readers.slice(1), ...busy], readers[0]!)
        readers[2]!.pause()
        for (const sender of busy) yield* Effect.forkScoped(sender.sendFast(1_000_000))
        yield* readers[0]!.until((self) => self.lines > 0, "the load")
        // Until the senders wait, as far as one can see. Readers must get the same lines if they do not, too.
        let before = -1
        while (before !== readers[0]!.lines) {
          before = readers[0]!.lines
          yield* Effect.sleep("300 millis")
        }
        relay.process.kill("SIGTERM")
        readers[2]!.read()
        for (const reader of readers) yield* reader.until((self) => self.ended, "the end")
        assert.deepStrictEqual(yield* relay.exit, { code: 0, signal: null })
        for (const sender of busy) {
          const seen = readers.map((reader) => LoadClient.complete(reader, sender))
          const whole = { lines: seen[0]!.lines, missing: 0, disordered: 0, damaged: 0 }
          assert.deepStrictEqual(
            seen,
            readers.map(() => whole)
          )
        }
        for (const reader of readers) assert.deepStrictEqual(reader.notices, [SHUTTING_DOWN])
      }),
    form.timeout
  )
})

describe.each(threadCounts)("kill -9, with %i thread(s),", (worker_threads) => {
  for (const round of rounds(worker_threads === 1 ? form.shutdown.logRounds : form.killed.rounds)) {
    it.live(
      `leaves a port and a log that a restarted server goes on with, which loses no relayed line when SIGTERM ends it (${round})`,
      () =>
        Effect.gen(function* () {
          const options = { lineBytes: 300, host: HOST }
          const limits = { worker_threads, shutdown_grace_ms: form.shutdown.graceMillis }
          const relay = yield* Relay.filed({ host: HOST, limits })
          const { file } = relay
          const sender = yield* LoadClient.connect(relay.port, options)
          const reader = yield* LoadClient.connect(relay.port, options)
          yield* LoadClient.gathered([sender], reader)
          yield* Effect.forkScoped(sender.sendFast(1_000_000))
          yield* Relay.eventually(
            () => statSync(file).size > form.killed.lines * options.lineBytes,
            () => "the log of the load"
          )
          relay.process.kill("SIGKILL")
          assert.strictEqual((yield* relay.exit).signal, "SIGKILL")
          const written = readFileSync(file, "utf8")
          const whole = written.slice(0, written.lastIndexOf("\n")).split("\n")
          assert.isAbove(whole.length, 2)
          for (const line of whole) JSON.parse(line)
          // Whatever the kernel had got of the last line.
          truncateSync(file, Buffer.byteLength(written) - 5)

          const start = performance.now()
          const again = yield* Cli.start([...relay.args, "--port", String(relay.port)], { cwd: relay.cwd })
          yield* Relay.reachable(relay.port, HOST)
          const took = performance.now() - start
          const a = yield* LoadClient.connect(relay.port, options)
          const b = yield* LoadClient.connect(relay.port, options)
          yield* LoadClient.gathered([a], b)
          a.send(1)
          yield* b.until((self) => self.lines === 1, "a line after the restart")

          const senders = yield* LoadClient.connectMany(relay.port, 3, options)
          const readers = yield* LoadClient.connectMany(relay.port, 2, options)
          yield* LoadClient.gathered([...senders, readers[1]!], readers[0]!)
          for (const sender of senders) yield* Effect.forkScoped(sender.sendEvenly(1_000_000, 5000))
          yield* readers[0]!.until((self) => senders.every((sender) => self.from(sender).lines > 500), "the load")
          again.process.kill("SIGTERM")
          assert.deepStrictEqual(yield* again.exit, { code: 0, signal: null })

          const log = readFileSync(file, "utf8")
          const kept = written.slice(0, -5)
          assert.isTrue(log.startsWith(kept), "the log was not appended to")
          const [torn, ...added] = log.slice(kept.lastIndexOf("\n") + 1).split("\n")
          assert.strictEqual(torn, kept.slice(kept.lastIndexOf("\n") + 1))
          assert.strictEqual(added.pop(), "")
          const messages = added.map((line) => JSON.stringify(JSON.parse(line).message))
          assert.isTrue(messages.some((message) => message.includes(`${a.port}`) && message.includes("m000000000")))
          assert.match(messages.at(-1)!, /shutdown complete/)

          for (const sender of senders) {
            const relayed = log.lastIndexOf(`:${sender.port}","content":"m`)
            const last = Number(/"content":"m(\d+)/.exec(log.slice(relayed, relayed + 100))?.[1])
            for (const reader of readers) {
              yield* reader.until((self) => self.ended, "the end")
              const { lines, ...faults } = LoadClient.complete(reader, sender)
              // The log may have dropped its last lines: it never holds up the relay.
              assert.isAtLeast(lines, last + 1)
              assert.deepStrictEqual(faults, { missing: 0, disordered: 0, damaged: 0 })
            }
          }
          yield* Relay.measured("kill -9 and restart", { "reachable after (ms)": took, "lines kept": whole.length })
        }),
      form.timeout
    )
  }
})
