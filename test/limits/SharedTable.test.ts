import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { SharedTable } from "../../src/limits/SharedTable.ts"
import * as arbitraries from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const CAPACITY = 6
const THREADS = 3
const KEYS = [
  "a",
  "b",
  "10.0.0.1",
  "10.0.0.2",
  "ü",
  "fe80::1%eth0",
  "[fe80::aaaa:bbbb:cccc:dddd%interface-15char]:65535",
  "z".repeat(64)
]

interface Entry {
  readonly slot: number
  readonly value: number
  readonly users: Array<number>
}

const sum = (numbers: ReadonlyArray<number>) => numbers.reduce((total, n) => total + n, 0)

describe("SharedTable", () => {
  const step = Arbitrary.all({
    thread: arbitraries.int(0, THREADS - 1),
    key: arbitraries.int(0, KEYS.length - 1),
    what: arbitraries.int(0, 20)
  })

  it.prop(
    "is the same map, counts and queue to all threads, whatever they do, and however some of them end",
    { steps: Arbitrary.array(step, { minLength: 100, maxLength: 150 }) },
    ({ steps }) => {
      const memory = SharedTable.share(CAPACITY, THREADS)
      const tables = Array.from({ length: THREADS }, (_, thread) => new SharedTable(memory, thread))
      const main = new SharedTable(memory, -1)
      const entries = new Map<string, Entry>()
      let queue: Array<string> = []

      for (const [n, { key: which, thread, what }] of steps.entries()) {
        const key = KEYS[which]!
        const table = tables[thread]!
        const entry = entries.get(key)
        if (what === 20) {
          const unused = which % 2 === 0 ? "queue" : "remove"
          // It may have ended while it held both locks.
          const isHeld = which % 4 < 2
          const slot = isHeld ? table.lockAt(key) : 0
          if (slot !== 0) table.lockSlot(slot)
          if (isHeld) {
            assert.isFalse(main.release((thread + 1) % THREADS, unused), "while another thread holds the lock")
          }
          assert.isTrue(main.release(thread, unused))
          for (const { users } of entries.values()) users[thread] = 0
          for (const [key, { users }] of Array.from(entries).toSorted(([, a], [, b]) => a.slot - b.slot)) {
            if (sum(users) > 0 || queue.includes(key)) continue
            if (unused === "queue") queue.push(key)
            else entries.delete(key)
          }
          continue
        }
        const slot = table.lockAt(key)
        assert.strictEqual(slot, entry?.slot ?? 0)
        if (entry === undefined) {
          const inserted = table.insert()
          assert.strictEqual(inserted === 0, entries.size === CAPACITY)
          if (inserted !== 0) {
            assert.deepStrictEqual(
              [table.value(inserted, 0), table.value(inserted, 1), table.users(inserted)],
              [0, 0, 0]
            )
            table.setValue(inserted, 1, n)
            entries.set(key, { slot: inserted, value: n, users: [0, 0, 0] })
          }
        } else if (what <= 3) {
          table.remove(slot)
          entries.delete(key)
          queue = queue.filter((other) => other !== key)
        } else if (what <= 8) {
          table.queue(slot)
          queue = [...queue.filter((other) => other !== key), key]
        } else if (what <= 10) {
          table.unqueue(slot)
          queue = queue.filter((other) => other !== key)
        } else if (what <= 15) {
          table.addUser(slot, 1)
          entry.users[thread]!++
        } else if (entry.users[thread]! > 0) {
          table.addUser(slot, -1)
          entry.users[thread]!--
        }
        table.unlock()

        const seen = new Map<string, readonly [slot: number, value: number, users: number]>()
        const stamps = new Map<string, number>()
        tables[n % THREADS]!.forEach((slot) => {
          seen.set(main.key(slot), [slot, main.value(slot, 1), main.users(slot)])
          if (main.stamp(slot) > 0) stamps.set(main.key(slot), main.stamp(slot))
        })
        // All at once, as text: the comparison of maps took most of the time.
        assert.strictEqual(
          JSON.stringify([
            Array.from(seen).toSorted(([, [a]], [, [b]]) => a - b),
            Array.from(stamps.keys()).toSorted((a, b) => stamps.get(a)! - stamps.get(b)!),
            [main.size, main.queued, main.oldest]
          ]),
          JSON.stringify([
            Array.from(entries, ([key, { slot, users, value }]) => [key, [slot, value, sum(users)]] as const).toSorted(
              ([, [a]], [, [b]]) => a - b
            ),
            queue,
            [entries.size, queue.length, queue[0] === undefined ? 0 : entries.get(queue[0])!.slot]
          ])
        )
      }

      // The links of the queue, as well as its stamps.
      for (const key of queue) {
        assert.strictEqual(main.key(main.oldest), key)
        main.unqueue(main.oldest)
      }
      assert.strictEqual(main.oldest, 0)
      // No slot is lost, and no lock is left.
      for (const { slot } of entries.values()) {
        main.lockSlot(slot)
        main.unlockSlot(slot)
        main.remove(slot)
      }
      for (let i = 0; i <= CAPACITY; i++) {
        assert.strictEqual(main.lockAt(`new ${i}`), 0)
        assert.strictEqual(main.insert() === 0, i === CAPACITY)
        main.unlock()
      }
    },
    runs(20)
  )

  it("spreads addresses over its chains: none of 10,000 in one network is found by a long search", () => {
    const memory = SharedTable.share(16_384, 1)
    const table = new SharedTable(memory, 0)
    for (let i = 0; i < 10_000; i++) {
      table.lockAt(`2001:db8::${i.toString(16)}`)
      table.insert()
      table.unlock()
    }
    const firsts = new Set<number>()
    new Int32Array(memory, 64, 16_384).forEach((first) => firsts.add(first))
    // Of 16,384 chains 7,486 are expected to hold them, and 60 are the standard deviation.
    assert.isAbove(firsts.size, 7_000)
  })
})
