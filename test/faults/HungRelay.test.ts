/** A relay that hangs, as a process does that is stopped, among others that go on. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as NatsServer from "../bus/NatsServer.ts"
import * as Directory from "../support/Directory.ts"
import * as LoadClient from "./LoadClient.ts"
import { measured, quiet } from "./Relay.ts"

/** Long ones: that so many bytes wait for a relay matters, not how many lines clients have to check. */
const LINE_BYTES = 4000
/** What of a subscriber NATS keeps before it cuts it off; from half of that on it slows publishers down. By default 64 MB. */
const MAX_PENDING_BYTES = 32 * 1024 * 1024
/** More than that. */
const LINES = 10_000
const LINES_PER_SECOND = 2000

/** No client here is ever slow, whatever the machine. */
const PATIENT = { soft_limit_bytes: 256 * 1024 * 1024, hard_limit_bytes: 512 * 1024 * 1024 }

const start = Effect.fnUntraced(function* (name: string, servers: string) {
  const relay = yield* quiet({ limits: { slow_consumer: PATIENT }, groups: { cluster: { nats: { servers, name } } } })
  const [sender, reader] = yield* LoadClient.connectMany(relay.port, 2, { lineBytes: LINE_BYTES })
  return { relay, sender: sender!, reader: reader! }
})

describe.skipIf(!NatsServer.isInstalled)(
  `a relay that hangs${NatsServer.isInstalled ? "" : " (skipped: this machine has no nats-server)"}`,
  () => {
    it.live(
      "costs the others no line with half of what NATS keeps by default, and gets what is kept for it when it goes on",
      () =>
        Effect.gen(function* () {
          const cwd = yield* Directory.make({ "nats.conf": `max_pending: ${MAX_PENDING_BYTES}` })
          const nats = yield* NatsServer.started(["-c", "nats.conf"], { cwd })
          const [a, b, c] = yield* Effect.forEach(["a", "b", "c"], (name) => start(name, nats.url))
          const pairs = [a!, b!, c!]
          for (const { reader } of pairs) yield* LoadClient.gathered([a!.sender, b!.sender], reader)
          c!.relay.process.kill("SIGSTOP")
          const sending = yield* Effect.forkChild(b!.sender.sendEvenly(LINES / 10, LINES_PER_SECOND / 10))
          yield* a!.sender.sendEvenly(LINES, LINES_PER_SECOND)
          for (const { reader } of [a!, b!]) {
            yield* reader.until((self) => self.from(a!.sender).next === LINES, "the lines of the first")
            yield* reader.until((self) => self.from(b!.sender).next === LINES / 10, "the lines of the second")
          }
          yield* Fiber.join(sending)
          const missing = [a!, b!].flatMap(({ reader }) => [a!, b!].map(({ sender }) => reader.from(sender).missing))
          c!.relay.process.kill("SIGCONT")
          a!.sender.send(1)
          yield* c!.reader.until((self) => self.from(a!.sender).next === LINES + 1, "the last line")
          const { disordered, missing: missed } = c!.reader.from(a!.sender)
          yield* measured("a relay hangs", { missing: missing.join(" "), "missed by the one that hung": missed })
          assert.deepStrictEqual(missing, [0, 0, 0, 0])
          assert.strictEqual(disordered, 0)
          // A few MiB are kept, less where batches are small.
          assert.isBelow(missed, LINES - 250)
        })
    )
  }
)
