/** One thread of a server, as far as its limits go: tries them as often and as fast as it can, and counts what they let through. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { parentPort, workerData } from "node:worker_threads"
import { ServerConfig } from "../../../src/config/ServerConfig.ts"
import { monotonicMillis } from "../../../src/internal/time.ts"
import { ClientLimits } from "../../../src/limits/ClientLimits.ts"
import { Quarantine } from "../../../src/limits/Quarantine.ts"
import { RateLimiter } from "../../../src/limits/RateLimiter.ts"
import * as SharedLimits from "../../../src/limits/SharedLimits.ts"
import { SharedTable } from "../../../src/limits/SharedTable.ts"
import { openUnsafe, type Opened } from "../Budgets.ts"

export interface Data {
  readonly shared: SharedLimits.Shared
  readonly index: number
  readonly config: Parameters<typeof ServerConfig.layerTest>[0]
  /**
   * Who is in by the count of the threads themselves, never more than really are: clients, those by WebSocket, those of each IP address. Of all
   * threads first, then of each.
   */
  readonly witness: SharedArrayBuffer
  /** Not 0: go. So that threads do their work at the same time. */
  readonly go: SharedArrayBuffer
  /** `visit`: clients come and go `rounds` times, then all leave. `crash`: the thread ends with two clients, in the middle of letting in a third. */
  readonly task: "visit" | "crash"
  readonly rounds: number
}

export interface Counted {
  /** The most that were in at once. */
  readonly most: ReadonlyArray<number>
  readonly passed: number
  /** When it began. */
  readonly millis: number
}

/** How many addresses clients come from. */
const IPS = 5

export const WITNESSES = 2 + IPS

const port = parentPort!
const data = workerData as Data

const run = Effect.gen(function* () {
  const { go, index, rounds, shared, task, witness } = data
  const limits = yield* ClientLimits
  const quarantine = yield* Quarantine
  const rateLimiter = yield* RateLimiter
  const inside = new Int32Array(witness)
  const own = inside.subarray((index + 1) * WITNESSES)
  const most = Array.from({ length: WITNESSES }, () => 0)
  const present: Array<{
    readonly ip: string
    readonly transport: string
    readonly witnesses: ReadonlyArray<number>
    readonly budget: Opened
  }> = []

  const enter = (n: number) => {
    const ip = n % IPS
    const isWebSocket = n % 3 === 0
    const client = {
      ip: `10.0.0.${ip}`,
      transport: isWebSocket ? "websocket" : "tcp",
      witnesses: [0, ...(isWebSocket ? [1] : []), 2 + ip]
    }
    if (!limits.enterUnsafe(client)) return
    present.push({ ...client, budget: openUnsafe(rateLimiter, client.ip, 0) })
    for (const i of client.witnesses) {
      own[i]!++
      most[i] = Math.max(most[i]!, Atomics.add(inside, i, 1) + 1)
    }
  }
  const leave = () => {
    const client = present.shift()
    if (client === undefined) return
    for (const i of client.witnesses) {
      Atomics.sub(inside, i, 1)
      own[i]!--
    }
    client.budget.closeUnsafe()
    limits.leaveUnsafe(client)
  }
  const visit = (n: number) => {
    enter(n * 7 + index)
    if (present.length > n % 4) leave()
    quarantine.addKeyUnsafe(`10.1.0.${n % 50}`)
    if (n % 3 === index) quarantine.liftUnsafe(`10.1.0.${n % 7}`)
  }

  port.postMessage("started")
  Atomics.wait(new Int32Array(go), 0, 0)
  const millis = monotonicMillis(yield* Clock.Clock)
  if (task === "crash") {
    for (let n = 0; present.length < 2; n++) enter(n)
    openUnsafe(rateLimiter, "10.0.0.0", 0)
    for (const memory of [shared.ips, shared.budgets, shared.quarantine]) {
      const table = new SharedTable(memory, index)
      table.lockAt("10.0.0.99")
      table.insert()
    }
    return process.exit()
  }
  const budget = openUnsafe(rateLimiter, "10.2.0.0", 0)
  let passed = 0
  for (let n = 0; n < rounds; n++) {
    visit(n)
    // What a thread has spent that is terminated could not be counted.
    if (!Number.isFinite(rounds)) continue
    for (let line = 0; line < 20; line++) if (budget.spendUnsafe(0)) passed++
  }
  while (present.length > 0) leave()
  budget.closeUnsafe()
  port.postMessage({ most, passed, millis } satisfies Counted)
})

const layer = Layer.provide(SharedLimits.layer(data.shared, data.index), ServerConfig.layerTest(data.config))
await Effect.runPromise(Effect.provide(run, layer))
