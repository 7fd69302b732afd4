/**
 * Limits that hold for all threads of a server together, exactly and at once: `max_clients`, `max_clients_per_ip`,
 * `websocket.max_clients`, `rate_limit_scope: "ip"` and the quarantine live in memory that the threads share. The main thread makes
 * it with `share` and hands it to each thread in `workerData`; the services of a thread are `layer`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { profileOf, ServerConfig, type Values } from "../config/CurrentConfig.ts"
import { ClientLimits } from "./ClientLimits.ts"
import { hasCapacity, isWebSocket } from "./places.ts"
import { makeQuarantine } from "./makeQuarantine.ts"
import { Quarantine } from "./Quarantine.ts"
import { FixedWindow } from "./RateBudgets.ts"
import { MAX_SHARED_BUDGETS, type RateBudget, RateLimiter } from "./RateLimiter.ts"
import { MAX_ENTRIES, type Releases } from "./Releases.ts"
import { SharedTable } from "./SharedTable.ts"

/**
 * The most IP addresses that clients may come from at once. A client of one more is refused as above `max_clients`. Memory that no address has
 * used yet is reserved, not taken.
 */
export const MAX_IPS = 262_144

/** What the threads share. It can be posted to a thread, or given to it as `workerData`. */
export interface Shared {
  /** Clients and, among them, those by WebSocket, of each thread. Changed under the lock of `ips`. */
  readonly counts: SharedArrayBuffer
  /** Clients in the room, of each thread: `Int32Array`. */
  readonly members: SharedArrayBuffer
  readonly ips: SharedArrayBuffer
  readonly budgets: SharedArrayBuffer
  readonly quarantine: SharedArrayBuffer
}

/** Made once, by the main thread. `threads`: how many relays there are, each with an index from 0. */
export const share = (threads: number): Shared => ({
  counts: new SharedArrayBuffer(threads * 8),
  members: new SharedArrayBuffer(threads * Int32Array.BYTES_PER_ELEMENT),
  ips: SharedTable.share(MAX_IPS, threads),
  // More by one, because a budget comes to those of past clients before the oldest of them goes.
  budgets: SharedTable.share(MAX_IPS + MAX_SHARED_BUDGETS + 1, threads),
  quarantine: SharedTable.share(MAX_ENTRIES, threads)
})

/**
 * `ClientLimits`, `RateLimiter` and `Quarantine` of one thread, after the profile of its configuration. The quarantine is one: each thread
 * lists and counts all entries, not only its own.
 */
export const layer = (
  shared: Shared,
  index: number
): Layer.Layer<ClientLimits | Quarantine | RateLimiter, never, ServerConfig> =>
  Layer.unwrap(
    Effect.map(ServerConfig, (config) =>
      Layer.mergeAll(
        Layer.sync(ClientLimits, () => makeClientLimits(shared, index, config)),
        profileOf(config.version) === "python"
          ? Layer.mergeAll(RateLimiter.layerUnlimited, Quarantine.layerDisabled)
          : Layer.mergeAll(
              config.hyper_parameters.rate_limit_scope === "ip"
                ? Layer.sync(RateLimiter, () => makeRateLimiter(shared, index, config))
                : RateLimiter.layerFixedWindow,
              Layer.effect(
                Quarantine,
                Effect.suspend(() => makeQuarantine(new SharedReleases(new SharedTable(shared.quarantine, index))))
              )
            )
      )
    )
  )

/** How many places clients of the other threads have. A client keeps its place, and its file descriptor, until its last bytes are sent. */
export const otherClientsUnsafe = (shared: Shared, index: number): (() => number) => {
  const counts = new Counts(shared)
  return () => counts.clients - counts.of(index)
}

export const roomSizeUnsafe = ({ members }: Shared): (() => number) => {
  const sizes = new Int32Array(members)
  return () => sizes.reduce((sum, size) => sum + size, 0)
}

/** How many clients of the other threads are in the room. Cheap enough to be asked for every line: its fan-out is the clients of all threads. */
export const sharedRoom = ({ members }: Shared, index: number) => {
  const sizes = new Int32Array(members)
  return {
    othersUnsafe: (): number => {
      let others = 0
      for (let i = 0; i < sizes.length; i++) if (i !== index) others += sizes[i]!
      return others
    },
    /** Tells the others how many clients this thread has in the room. */
    tellUnsafe: (size: number): void => void (sizes[index] = size)
  }
}

/**
 * Takes back what a thread that has ended held: the places of its clients, and locks. To be run by the main thread after each `exit` of a
 * thread, and before another thread is given its index. It waits without blocking, because another thread that holds a lock may have ended, too.
 */
export const releaseThread = Effect.fnUntraced(function* (shared: Shared, index: number) {
  for (const [memory, unused] of [
    [shared.ips, "remove"],
    [shared.budgets, "queue"],
    [shared.quarantine, "remove"]
  ] as const) {
    const table = new SharedTable(memory, MAIN)
    while (!table.release(index, unused)) yield* Effect.sleep(1)
  }
  new Counts(shared).clear(index)
  sharedRoom(shared, index).tellUnsafe(0)
})

/** The main thread counts nothing. */
const MAIN = -1

class Counts {
  /** Clients and WebSocket clients of the first thread, of the second, and so on. */
  readonly #counts: Int32Array

  constructor({ counts }: Shared) {
    this.#counts = new Int32Array(counts)
  }

  get clients(): number {
    return this.#sum(0)
  }

  get webSockets(): number {
    return this.#sum(1)
  }

  /** Clients of one thread. */
  of(index: number): number {
    return this.#counts[index * 2]!
  }

  change(index: number, isWebSocket: boolean, by: number): void {
    this.#counts[index * 2]! += by
    if (isWebSocket) this.#counts[index * 2 + 1]! += by
  }

  clear(index: number): void {
    this.#counts.fill(0, index * 2, index * 2 + 2)
  }

  #sum(from: 0 | 1): number {
    let sum = 0
    for (let i = from; i < this.#counts.length; i += 2) sum += this.#counts[i]!
    return sum
  }
}

const makeClientLimits = (shared: Shared, index: number, config: Values): ClientLimits["Service"] => {
  const ips = new SharedTable(shared.ips, index)
  const counts = new Counts(shared)
  return {
    enterUnsafe: (client) =>
      ips.at(client.ip, (found) => {
        const { clients, webSockets } = counts
        const ofIp = found === 0 ? 0 : ips.users(found)
        if (!hasCapacity(client, { clients, webSockets, ofIp }, config)) return false
        const ip = found === 0 ? ips.insert() : found
        if (ip === 0) return false
        ips.addUser(ip, 1)
        counts.change(index, isWebSocket(client), 1)
        return true
      }),
    leaveUnsafe: (client) =>
      ips.at(client.ip, (ip) => {
        ips.addUser(ip, -1)
        counts.change(index, isWebSocket(client), -1)
        if (ips.users(ip) === 0) ips.remove(ip)
      }),
    countFromUnsafe: (ip) => ips.at(ip, (found) => (found === 0 ? 0 : ips.users(found))),
    maxClientsUnsafe: () => config.hyper_parameters.max_clients
  }
}

const makeRateLimiter = (shared: Shared, index: number, { hyper_parameters }: Values): RateLimiter["Service"] => {
  const budgets = new SharedTable(shared.budgets, index)
  /** A window is taken out of the memory to spend of it, and put back. */
  const window = new FixedWindow(hyper_parameters, 0)
  const load = (budget: number) => {
    window.windowStart = budgets.value(budget, 0)
    window.spent = budgets.value(budget, 1)
  }
  const store = (budget: number) => {
    budgets.setValue(budget, 0, window.windowStart)
    budgets.setValue(budget, 1, window.spent)
  }
  const take = (ip: string, nowMillis: number): number =>
    budgets.at(ip, (found) => {
      // There is a slot: no more addresses than `MAX_IPS` have clients.
      const budget = found === 0 ? budgets.insert() : found
      if (found === 0) budgets.setValue(budget, 0, nowMillis)
      budgets.addUser(budget, 1)
      budgets.unqueue(budget)
      return budget
    })
  const giveBack = (ip: string): void =>
    budgets.at(ip, (budget) => {
      budgets.addUser(budget, -1)
      if (budgets.users(budget) > 0) return
      budgets.queue(budget)
      if (budgets.queued > MAX_SHARED_BUDGETS) budgets.remove(budgets.oldest)
    })
  const spend = (budget: number, nowMillis: number): boolean => {
    budgets.lockSlot(budget)
    load(budget)
    const mayPass = window.spendUnsafe(nowMillis)
    store(budget)
    budgets.unlockSlot(budget)
    return mayPass
  }
  return {
    open: ({ ip }, nowMillis) =>
      Effect.acquireRelease(
        Effect.sync((): RateBudget => {
          const budget = take(ip, nowMillis)
          return { spendUnsafe: (nowMillis) => spend(budget, nowMillis) }
        }),
        () => Effect.sync(() => giveBack(ip))
      )
  }
}

class SharedReleases implements Releases {
  readonly #table: SharedTable

  constructor(table: SharedTable) {
    this.#table = table
  }

  get(key: string): number | undefined {
    return this.#table.at(key, (entry) => (entry === 0 ? undefined : this.#release(entry)))
  }

  set(key: string, release: number): number | undefined {
    const table = this.#table
    return table.at(key, (found) => {
      let early: number | undefined
      let entry = found === 0 ? table.insert() : found
      if (entry === 0) {
        early = this.#release(table.oldest)
        table.remove(table.oldest)
        entry = table.insert()
      }
      table.setValue(entry, 0, release)
      table.queue(entry)
      return early
    })
  }

  delete(key: string): number | undefined {
    return this.#table.at(key, (entry) => {
      if (entry === 0) return undefined
      const release = this.#release(entry)
      this.#table.remove(entry)
      return release
    })
  }

  sweep(now: number): number {
    let swept = 0
    this.#table.forEach((entry) => {
      if (this.#release(entry) > now) return
      this.#table.remove(entry)
      swept++
    })
    return swept
  }

  list(now: number): ReadonlyArray<{ readonly key: string; readonly release: number }> {
    const entries: Array<{ readonly key: string; readonly release: number; readonly stamp: number }> = []
    this.#table.forEach((entry) => {
      const release = this.#release(entry)
      if (release > now) entries.push({ key: this.#table.key(entry), release, stamp: this.#table.stamp(entry) })
    })
    return entries.toSorted((a, b) => a.stamp - b.stamp)
  }

  countAfter(now: number): number {
    let count = 0
    this.#table.forEach((entry) => {
      if (this.#release(entry) > now) count++
    })
    return count
  }

  get size(): number {
    return this.#table.size
  }

  #release(entry: number): number {
    return this.#table.value(entry, 0)
  }
}
