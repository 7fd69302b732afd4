/** Clients of all kinds that come, speak, stall and vanish, for half an hour, or for `SOAK_MINUTES`, beside some that stay. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Certificates from "../support/Certificates.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"
import { bounds, SOAK } from "./form.ts"
import { descriptors, residentBytes } from "./Proc.ts"
import * as Relay from "./Relay.ts"

const MINUTES = Number(process.env["SOAK_MINUTES"] ?? 30)

const LINE_BYTES = 4000
const EVERY_MILLIS = 20

/** A client that reads nothing is disconnected once it has missed 2 MiB beside what the kernels hold. */
const LIMITS = {
  slow_consumer: { soft_limit_bytes: 256 * 1024, hard_limit_bytes: 2 * 1024 * 1024, eviction_grace_ms: 1000 }
}

const lineOf = (number: number) => `n ${number} `.padEnd(LINE_BYTES, "x")

const churn = Effect.fnUntraced(function* (worker_threads: number, isSecure: boolean) {
  const certificates = isSecure ? yield* Certificates.make : undefined
  const relay = yield* Relay.quiet({
    limits: { ...LIMITS, worker_threads },
    groups: { websocket: { port: 0 }, tls: certificates?.config ?? {} }
  })
  const [, webSocketPort] = yield* relay.printed(/listening on wss?:\S*:(\d+)/)
  const tls = certificates && { tls: certificates.client() }
  const comes = (isWebSocket: boolean) =>
    isWebSocket ? WebSocketClient.connect(`ws://127.0.0.1:${webSocketPort}/`, tls) : TcpClient.connect(relay.port, tls)

  // Those who stay: one speaks, and the others hear each of its lines, in order.
  const speaker = yield* TcpClient.connect(relay.port, tls)
  const listeners = [yield* comes(false), yield* comes(false), yield* comes(true), yield* comes(true)]
  for (const listener of listeners) {
    const here = TcpClient.envelope(speaker, "here")
    const heard = yield* Effect.forkChild(Effect.repeat(listener.line, { until: (line) => line === here }), {
      startImmediately: true
    })
    while (heard.pollUnsafe() === undefined) {
      speaker.send("here\n")
      yield* Effect.sleep("20 millis")
    }
  }
  speaker.send(`${lineOf(0)}\n`)
  for (const listener of listeners) {
    yield* Effect.repeat(listener.line, { until: (line) => line === TcpClient.envelope(speaker, lineOf(0)) })
  }
  const before = descriptors(relay.pid).length

  let said = 0
  const heard = listeners.map(() => 0)
  const head = `{"remote_addr":${JSON.stringify(speaker.address)},"content":"n `
  const speaking = Effect.sync(() => speaker.send(`${lineOf(++said)}\n`)).pipe(
    Effect.andThen(Effect.sleep(EVERY_MILLIS)),
    Effect.forever
  )
  const listening = listeners.map(({ line }, i) =>
    Effect.map(line, (text) => {
      if (!text.startsWith(head)) return
      assert.strictEqual(text, TcpClient.envelope(speaker, lineOf(++heard[i]!)), `listener ${i}`)
    }).pipe(Effect.forever)
  )
  // What a speaker hears is not read by the test.
  const deaf = Effect.forever(speaker.line)

  let connections = 0
  const often = <E>(visit: (count: number) => Effect.Effect<unknown, E, Scope.Scope>) =>
    Effect.suspend(() => Effect.scoped(visit(connections++))).pipe(
      Effect.andThen(Effect.sleep(EVERY_MILLIS)),
      Effect.forever
    )
  const visitors = often(
    Effect.fnUntraced(function* (count) {
      const visitor = yield* comes(count % 2 === 0)
      visitor.send(count % 2 === 0 ? "hello" : "hello\n")
      yield* visitor.line
      if (count % 3 > 0) visitor.socket.end()
    })
  )
  const resets = often((count) =>
    Effect.callback<void>((resume) => {
      const socket = TcpClient.raw(count % 2 === 0 ? relay.port : Number(webSocketPort))
      socket
        .on("error", () => resume(Effect.void))
        .once("connect", () => {
          if (count % 3 > 0) socket.write("GET / HTTP/1.1\r\nhalf a line", () => socket.resetAndDestroy())
          else if (count % 4 > 0) socket.resetAndDestroy()
          else socket.destroy()
        })
      socket.once("close", () => resume(Effect.void))
    })
  )
  const stalls = often(
    Effect.fnUntraced(function* (count) {
      const { socket } = yield* comes(count % 2 === 0)
      socket.pause()
      yield* Effect.sleep("45 seconds")
      socket.resume()
      yield* Effect.sleep("1 second")
    })
  )
  const file = join(relay.cwd, "server.json")
  const reloads = Effect.sync(() => {
    const config = JSON.parse(readFileSync(file, "utf8"))
    config.hyper_parameters.throttle_delay_ms = 1 + (connections % 100)
    writeFileSync(file, JSON.stringify(config))
    relay.process.kill("SIGHUP")
  }).pipe(Effect.andThen(Effect.sleep("3 seconds")), Effect.forever)

  const staying = yield* Effect.forkChild(Effect.all([speaking, deaf, ...listening], { concurrency: "unbounded" }))
  const coming = yield* Effect.forkChild(
    Effect.all([visitors, visitors, resets, stalls, stalls, reloads], { concurrency: "unbounded" })
  )
  const memory = Effect.suspend(() => Effect.succeed(residentBytes(relay.pid)))
  const going = Effect.raceAllFirst([Fiber.join(staying), Fiber.join(coming), Effect.never])
  yield* Effect.timeoutOption(going, "1 minute")
  const early = yield* memory
  yield* Effect.timeoutOption(going, `${Math.max(1, MINUTES - 1)} minutes`)
  const late = yield* memory
  yield* Fiber.interrupt(coming)
  yield* Relay.eventually(
    () => descriptors(relay.pid).length <= before,
    () => `${before} descriptors again, of ${descriptors(relay.pid).length}`
  )
  yield* Fiber.interrupt(staying)
  // What is under way still arrives.
  for (const [i, { line }] of listeners.entries()) {
    while (heard[i]! < said) {
      const text = yield* line
      if (text.startsWith(head)) assert.strictEqual(text, TcpClient.envelope(speaker, lineOf(++heard[i]!)))
    }
  }
  relay.process.kill("SIGTERM")
  assert.deepStrictEqual(yield* relay.exit, { code: 0, signal: null })
  assert.notMatch(relay.output(), / - (ERROR|CRITICAL) - /)
  const name = `churn of ${MINUTES} min, ${worker_threads} thread(s)${isSecure ? ", TLS" : ""}`
  yield* Relay.measured(name, {
    connections,
    lines: said,
    descriptors: before,
    "after a minute (MiB)": Relay.mib(early),
    "at the end (MiB)": Relay.mib(late)
  })
  assert.isAtMost(late - early, bounds.slackBytes * worker_threads)
})

describe
  .skipIf(!SOAK || !Certificates.hasOpenssl || process.platform !== "linux")
  .concurrent("clients that come and go", () => {
    for (const worker_threads of threadCounts) {
      for (const isSecure of [false, true]) {
        it.live(
          `leave nothing behind, and those who stay lose nothing: ${worker_threads} thread(s)${isSecure ? ", TLS" : ""}`,
          () => churn(worker_threads, isSecure),
          (MINUTES + 5) * 60_000
        )
      }
    }
  })
