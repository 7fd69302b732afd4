/** What holds for whatever carries a room between its processes or threads. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { setImmediate as endOfTurn } from "node:timers/promises"
import type { Bus, BusRoom, Chunk } from "../../src/room/Bus.ts"
import { until } from "../support/Server.ts"

/** More than any bus may let another be behind before senders wait, and more than any keeps. */
const SLOW_BYTES = 4 * 1024 * 1024
const TOO_MANY_BYTES = 48 * 1024 * 1024

const BATCH_BYTES = 64 * 1024

/** One of those that a bus connects, with a room that writes down what happens. */
export class Member {
  readonly bus: Bus["Service"]
  readonly name: string
  /** How many lines have come. */
  lines = 0
  /** What batches were in. Each is released once its lines have been read. */
  readonly memories = new Set<ArrayBufferLike>()
  /** Of whom senders were told to wait, with how often; until they need not any more. */
  readonly awaited = new Map<string, number>()
  /** Of each sender. */
  readonly #numbers = new Map<string, Array<number>>()
  #published = 0
  #waiting: Array<() => void> = []
  #isSlow = false

  constructor(name: string, bus: Bus["Service"]) {
    this.name = name
    this.bus = bus
  }

  readonly room: BusRoom = {
    onBatch: ({ bytes, messages }, release) => {
      this.memories.add(bytes.buffer)
      const lines = Buffer.from(bytes).toString().split("\n")
      // Whole lines, as many as it says.
      assert.deepStrictEqual([lines.pop(), lines.length], ["", messages])
      this.lines += lines.length
      for (const line of lines) {
        const [sender, number] = line.split(" ", 2)
        const numbers = this.#numbers.get(sender!)
        if (numbers === undefined) this.#numbers.set(sender!, [Number(number)])
        else numbers.push(Number(number))
      }
      release?.()
    },
    hasSlowClients: () => this.#isSlow,
    onceClientsCaughtUp: (go) => void this.#waiting.push(go),
    onSlow: (what) => void this.awaited.set(what, (this.awaited.get(what) ?? 0) + 1),
    onCaughtUp: (what) => void this.awaited.delete(what)
  }

  set hasSlowClients(isSlow: boolean) {
    this.#isSlow = isSlow
    if (!isSlow) for (const go of this.#waiting.splice(0)) go()
  }

  /** Publishes one batch of lines, in so many parts; each begins with its sender and its number. */
  publish(lines: number, lineBytes = 0): void {
    const parts = Array.from({ length: lines }, (): Chunk => {
      const line = `${this.name} ${this.#published++} `
      return { bytes: Buffer.from(`${line.padEnd(lineBytes - 1, ".")}\n`), messages: 1 }
    })
    this.bus.publishUnsafe?.(parts)
  }

  get published(): number {
    return this.#published
  }

  /** The numbers of the lines that have come from another. */
  from(other: Member): ReadonlyArray<number> {
    return this.#numbers.get(other.name) ?? []
  }
}

/** A bus under test. */
export interface Subject {
  /** Connects one more, until the scope ends. Those before it know of it once they have heard it. */
  readonly connect: (name: string) => Effect.Effect<Bus["Service"], never, Scope.Scope>
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)

/**
 * Tests that what `start` makes is a bus. Their names are sentences that begin with that of the bus.
 *
 * @param isBounded whether it counts what others have not read; the one for tests does not
 */
export const laws = (start: Effect.Effect<Subject, never, Scope.Scope>, isBounded = true) => {
  const join = Effect.fnUntraced(function* ({ connect }: Subject, name: string) {
    const member = new Member(name, yield* connect(name))
    yield* member.bus.joinRoom(member.room)
    return member
  })
  const joinAll = (subject: Subject, ...names: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const members = yield* Effect.forEach(names, (name) => join(subject, name))
      // Whoever is heard is known.
      for (const member of members) member.publish(1)
      yield* Effect.forEach(members, (member) => heard(member, members))
      return members
    })
  /** Waits for the last line of everybody. */
  const heard = (member: Member, members: ReadonlyArray<Member>) =>
    until(
      () => members.every((other) => other === member || member.from(other).at(-1) === other.published - 1),
      () => `${member.name} has ${member.lines} lines, and ${JSON.stringify(Effect.runSync(member.bus.stats))}`
    )

  it.live("brings every line to all others, whole, once and in its sender's order, and not back", () =>
    Effect.gen(function* () {
      const members = yield* joinAll(yield* start, "a", "b", "c")
      for (let turn = 0; turn < 200; turn++) {
        for (const [i, member] of members.entries()) {
          // Now and then a batch that no ring, window or message takes lightly.
          if (turn % 50 === i) member.publish(10, BATCH_BYTES)
          else member.publish(1 + (turn % 3), 20 + ((turn * 37) % 500))
        }
        if (turn % 4 === 0) yield* Effect.promise(() => endOfTurn())
      }
      for (const member of members) {
        yield* heard(member, members)
        for (const other of members) {
          assert.deepStrictEqual(member.from(other), other === member ? [] : upTo(other.published))
        }
        const { dropped, lost } = yield* member.bus.stats
        assert.deepStrictEqual({ dropped, lost }, { dropped: 0, lost: 0 })
      }
    })
  )

  it.live("brings whoever joins what is published from then on", () =>
    Effect.gen(function* () {
      const subject = yield* start
      const [a, b] = yield* joinAll(subject, "a", "b")
      a!.publish(3)
      yield* heard(b!, [a!])
      const late = yield* join(subject, "c")
      const before = a!.published
      a!.publish(5)
      yield* until(() => late.from(a!).at(-1) === a!.published - 1)
      assert.deepStrictEqual(late.from(a!), upTo(5, before))
    })
  )

  if (!isBounded) return

  it.live("makes senders wait for clients of others until these have caught up", () =>
    Effect.gen(function* () {
      const subject = yield* start
      const [a, b, c] = yield* joinAll(subject, "a", "b", "c")
      b!.hasSlowClients = true
      for (let bytes = 0; bytes < SLOW_BYTES; bytes += BATCH_BYTES) {
        a!.publish(1, BATCH_BYTES)
        yield* Effect.promise(() => endOfTurn())
      }
      yield* until(() => {
        a!.publish(1)
        // It gives signs of life: a process that is silent counts as gone.
        b!.publish(1)
        return a!.awaited.size === 1
      })
      // What it says comes behind an acknowledgement of all that it has, if there were one.
      yield* heard(b!, [a!])
      b!.publish(1)
      yield* heard(a!, [b!])
      assert.isAbove(a!.awaited.size, 0)
      b!.hasSlowClients = false
      yield* until(() => a!.awaited.size === 0)
      yield* heard(b!, [a!])
      yield* heard(c!, [a!])
      assert.deepStrictEqual(b!.from(a!), upTo(a!.published))
    })
  )

  it.live("lets senders go on when the one whose clients they wait for is gone", () =>
    Effect.gen(function* () {
      const subject = yield* start
      const [a, b] = yield* joinAll(subject, "a", "b")
      const scope = yield* Scope.fork(yield* Effect.scope)
      const c = yield* Scope.provide(join(subject, "c"), scope)
      c.publish(1)
      yield* heard(a!, [c])
      c.hasSlowClients = true
      yield* until(() => {
        a!.publish(1, BATCH_BYTES)
        return a!.awaited.size > 0
      })
      yield* Scope.close(scope, Exit.void)
      yield* until(() => {
        // Some buses notice only that it is silent.
        b!.publish(1)
        return a!.awaited.size === 0
      })
    })
  )

  it.live("drops the oldest batches of one who does not keep up, and counts them", () =>
    Effect.gen(function* () {
      const subject = yield* start
      const [a, b] = yield* joinAll(subject, "a", "b")
      // Within one turn nobody reads.
      for (let bytes = 0; bytes < TOO_MANY_BYTES; bytes += BATCH_BYTES) a!.publish(1, BATCH_BYTES)
      const { bytesWaiting } = yield* a!.bus.stats
      assert.isBelow(bytesWaiting, TOO_MANY_BYTES / 2)
      yield* heard(b!, [a!])
      const got = b!.from(a!)
      assert.deepStrictEqual(
        got,
        Array.from(new Set(got)).toSorted((x, y) => x - y)
      )
      const { dropped } = yield* a!.bus.stats
      assert.isAbove(dropped, 0)
      assert.strictEqual(got.length + dropped, a!.published)
      assert.strictEqual((yield* b!.bus.stats).lost, dropped)
    })
  )
}
