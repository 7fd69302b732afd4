import { randomBytes } from "node:crypto"

/** The longest key of a client is one of 63 bytes: brackets, a link-local address, a zone of 15 bytes, and a port. */
const KEY_BYTES = 64
const KEY_INTS = KEY_BYTES / 4

// The header, in Int32. A reference is the position of a slot; 0 is none.
const LOCK = 0
const CAPACITY = 1
const THREADS = 2
const SEED = 3
const FREE = 5
/** Slots that have been used at least once. */
const TOUCHED = 6
const OLDEST = 7
const NEWEST = 8
const QUEUED = 9
const USED = 10
/** A float. */
const LAST_STAMP = 12
const HEADER_INTS = 16

// A slot, in Int32.
/** In the chain of a bucket or, of a free slot, in the free list. */
const NEXT = 0
const HASH = 1
const IS_USED = 2
const OLDER = 3
const NEWER = 4
const SLOT_LOCK = 5
/** A float: when it was queued, in the order of the queue; 0 if it is not. */
const STAMP = 6
/** Two floats. */
const VALUES = 8
const KEY = 12
const USERS = KEY + KEY_INTS

const slotInts = (threads: number) => USERS + threads + (threads % 2)

/** Tries to get a lock before a thread sleeps, in case the thread that holds it waits for this core. */
const SPINS = 100
const SLEEP_MILLIS = 1

/**
 * A hash table in memory that threads share. Its keys are text, and each has a slot: two numbers, a count for each thread, and, if
 * wanted, a place in a queue. A slot stays where it is for as long as it is used.
 *
 * One lock guards it, held for a few hundred nanoseconds: by `at`, or by `lock` or `lockAt`, then any of the other methods, then `unlock`.
 *
 * A thread can be terminated at any point, also while it holds the lock. Whatever a slot means is therefore in the slot alone; chains, free
 * list and queue follow from the slots, and `release` makes them anew.
 */
export class SharedTable {
  /** @param threads that count in it */
  static share(capacity: number, threads: number): SharedArrayBuffer {
    const ints = HEADER_INTS + bucketsOf(capacity) + capacity * slotInts(threads)
    const memory = new SharedArrayBuffer(ints * 4)
    const header = new Int32Array(memory, 0, HEADER_INTS)
    header[CAPACITY] = capacity
    header[THREADS] = threads
    header.set(new Int32Array(new Uint8Array(randomBytes(8)).buffer), SEED)
    return memory
  }

  readonly #ints: Int32Array
  readonly #floats: Float64Array
  readonly #bytes: Buffer
  readonly #owner: number
  readonly #users: number
  readonly #threads: number
  readonly #buckets: number
  readonly #firstSlot: number
  readonly #slotInts: number
  readonly #keyBytes = Buffer.alloc(KEY_BYTES)
  readonly #key = new Int32Array(this.#keyBytes.buffer, this.#keyBytes.byteOffset, KEY_INTS)
  #hash = 0

  /** @param index of the thread that uses this object, from 0; -1: it only releases what threads held */
  constructor(memory: SharedArrayBuffer, index: number) {
    this.#ints = new Int32Array(memory)
    this.#floats = new Float64Array(memory)
    this.#bytes = Buffer.from(memory)
    this.#owner = ownerOf(index)
    this.#users = USERS + index
    this.#threads = this.#ints[THREADS]!
    this.#buckets = bucketsOf(this.#ints[CAPACITY]!)
    this.#firstSlot = HEADER_INTS + this.#buckets
    this.#slotInts = slotInts(this.#threads)
  }

  lock(): void {
    acquire(this.#ints, LOCK, this.#owner)
  }

  unlock(): void {
    Atomics.store(this.#ints, LOCK, 0)
  }

  /** Takes the lock and looks for a key. Returns its slot; 0 if it has none, which `insert` then gives it. */
  lockAt(key: string): number {
    this.#keyBytes.fill(0)
    this.#hash = this.#hashOf(this.#keyBytes.write(key))
    this.lock()
    const ints = this.#ints
    let slot = ints[this.#bucket(this.#hash)]!
    while (slot !== 0 && !(ints[slot + HASH] === this.#hash && this.#isKey(slot))) slot = ints[slot + NEXT]!
    return slot
  }

  /** Does something with the slot of a key, 0 if it has none, under the lock. */
  at<A>(key: string, use: (slot: number) => A): A {
    const slot = this.lockAt(key)
    try {
      return use(slot)
    } finally {
      this.unlock()
    }
  }

  /** Gives a slot to the key that `lockAt` looked for; 0 if the table is full. */
  insert(): number {
    const ints = this.#ints
    let slot = ints[FREE]!
    if (slot !== 0) ints[FREE] = ints[slot + NEXT]!
    else if (ints[TOUCHED]! < ints[CAPACITY]!) slot = this.#firstSlot + ints[TOUCHED]!++ * this.#slotInts
    else return 0
    ints.fill(0, slot, slot + this.#slotInts)
    ints[slot + HASH] = this.#hash
    ints.set(this.#key, slot + KEY)
    ints[slot + IS_USED] = 1
    this.#chain(slot)
    ints[USED]!++
    return slot
  }

  remove(slot: number): void {
    const ints = this.#ints
    this.unqueue(slot)
    ints[slot + IS_USED] = 0
    const bucket = this.#bucket(ints[slot + HASH]!)
    if (ints[bucket] === slot) ints[bucket] = ints[slot + NEXT]!
    else {
      let before = ints[bucket]!
      while (ints[before + NEXT] !== slot) before = ints[before + NEXT]!
      ints[before + NEXT] = ints[slot + NEXT]!
    }
    this.#free(slot)
    ints[USED]!--
  }

  /** Makes a slot, in the queue or not, the newest in the queue. */
  queue(slot: number): void {
    this.unqueue(slot)
    this.#floats[(slot + STAMP) / 2] = ++this.#floats[LAST_STAMP / 2]!
    this.#enqueue(slot)
  }

  unqueue(slot: number): void {
    const ints = this.#ints
    if (this.stamp(slot) === 0) return
    this.#floats[(slot + STAMP) / 2] = 0
    const [older, newer] = [ints[slot + OLDER]!, ints[slot + NEWER]!]
    ints[older === 0 ? OLDEST : older + NEWER] = newer
    ints[newer === 0 ? NEWEST : newer + OLDER] = older
    ints[QUEUED]!--
  }

  /** The slot that has been queued for longest; 0 if none is. */
  get oldest(): number {
    return this.#ints[OLDEST]!
  }

  get queued(): number {
    return this.#ints[QUEUED]!
  }

  /** Slots in use. May be read without the lock. */
  get size(): number {
    return this.#ints[USED]!
  }

  /** When the slot was queued: later ones have larger stamps. 0: it is not in the queue. */
  stamp(slot: number): number {
    return this.#floats[(slot + STAMP) / 2]!
  }

  /** One of the numbers of a slot, 0 at first. */
  value(slot: number, which: 0 | 1): number {
    return this.#floats[(slot + VALUES) / 2 + which]!
  }

  setValue(slot: number, which: 0 | 1, value: number): void {
    this.#floats[(slot + VALUES) / 2 + which] = value
  }

  key(slot: number): string {
    const start = (slot + KEY) * 4
    const end = this.#bytes.indexOf(0, start)
    return this.#bytes.toString("utf8", start, Math.min(end, start + KEY_BYTES))
  }

  /** What all threads count in a slot. */
  users(slot: number): number {
    let users = 0
    for (let at = slot + USERS; at < slot + USERS + this.#threads; at++) users += this.#ints[at]!
    return users
  }

  /** Counts for the thread of this object. */
  addUser(slot: number, by: number): void {
    this.#ints[slot + this.#users]! += by
  }

  /** Locks the values of one slot instead of the whole table, by a thread that counts in it. */
  lockSlot(slot: number): void {
    acquire(this.#ints, slot + SLOT_LOCK, this.#owner)
  }

  unlockSlot(slot: number): void {
    Atomics.store(this.#ints, slot + SLOT_LOCK, 0)
  }

  /**
   * Calls `visit` with every slot in use, in no order, and takes the lock for it: some slots at a time, so that no thread waits for long.
   *
   * @param visit may remove the slot
   */
  forEach(visit: (slot: number) => void): void {
    for (let from = 0; from < this.#ints[TOUCHED]!; from += SLOTS_PER_LOCK) {
      this.lock()
      try {
        for (let n = from; n < Math.min(from + SLOTS_PER_LOCK, this.#ints[TOUCHED]!); n++) {
          const slot = this.#firstSlot + n * this.#slotInts
          if (this.#ints[slot + IS_USED] === 1) visit(slot)
        }
      } finally {
        this.unlock()
      }
    }
  }

  /**
   * Takes back what a thread that has ended counted and locked.
   *
   * @param unused what becomes of a slot that nobody counts in any more
   * @returns `false`: another thread holds the lock. Try again
   */
  release(index: number, unused: "queue" | "remove"): boolean {
    const ints = this.#ints
    const owner = ownerOf(index)
    if (
      Atomics.compareExchange(ints, LOCK, 0, this.#owner) !== 0 &&
      Atomics.compareExchange(ints, LOCK, owner, this.#owner) !== owner
    ) {
      return false
    }
    ints.fill(0, HEADER_INTS, this.#firstSlot)
    ints[FREE] = ints[USED] = ints[OLDEST] = ints[NEWEST] = ints[QUEUED] = 0
    const queued: Array<number> = []
    const end = this.#firstSlot + ints[TOUCHED]! * this.#slotInts
    for (let slot = this.#firstSlot; slot < end; slot += this.#slotInts) {
      ints[slot + USERS + index] = 0
      Atomics.compareExchange(ints, slot + SLOT_LOCK, owner, 0)
      const isUnused = this.users(slot) === 0 && this.stamp(slot) === 0
      if (ints[slot + IS_USED] === 0 || (isUnused && unused === "remove")) {
        ints[slot + IS_USED] = 0
        this.#free(slot)
        continue
      }
      if (isUnused) this.#floats[(slot + STAMP) / 2] = ++this.#floats[LAST_STAMP / 2]!
      if (this.stamp(slot) > 0) queued.push(slot)
      this.#chain(slot)
      ints[USED]!++
    }
    for (const slot of queued.toSorted((a, b) => this.stamp(a) - this.stamp(b))) this.#enqueue(slot)
    this.unlock()
    return true
  }

  #chain(slot: number): void {
    const bucket = this.#bucket(this.#ints[slot + HASH]!)
    this.#ints[slot + NEXT] = this.#ints[bucket]!
    this.#ints[bucket] = slot
  }

  #free(slot: number): void {
    this.#ints[slot + NEXT] = this.#ints[FREE]!
    this.#ints[FREE] = slot
  }

  #enqueue(slot: number): void {
    const ints = this.#ints
    const newest = ints[NEWEST]!
    ints[slot + OLDER] = newest
    ints[slot + NEWER] = 0
    ints[newest === 0 ? OLDEST : newest + NEWER] = slot
    ints[NEWEST] = slot
    ints[QUEUED]!++
  }

  #bucket(hash: number): number {
    return HEADER_INTS + (hash & (this.#buckets - 1))
  }

  #isKey(slot: number): boolean {
    for (let i = 0; i < KEY_INTS; i++) if (this.#ints[slot + KEY + i] !== this.#key[i]) return false
    return true
  }

  /**
   * HalfSipHash-1-3 of the key, with a seed that nobody outside knows: whoever may choose from many addresses cannot choose ones that all
   * fall into the same chain (https://github.com/veorq/SipHash).
   */
  #hashOf(bytes: number): number {
    let v0 = this.#ints[SEED]!
    let v1 = this.#ints[SEED + 1]!
    let v2 = v0 ^ 0x6c796765
    let v3 = v1 ^ 0x74656462
    const words = bytes >> 2
    for (let i = 0; i <= words + 3; i++) {
      const word = i < words ? this.#key[i]! : i === words ? (this.#key[i] ?? 0) | (bytes << 24) : 0
      if (i === words + 1) v2 ^= 0xff
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    return v1 ^ v3
  }
}

const SLOTS_PER_LOCK = 256

const bucketsOf = (capacity: number) => 2 ** Math.max(1, Math.ceil(Math.log2(capacity)))

/** What a lock holds: 0 is nobody, 1 is the main thread. */
const ownerOf = (index: number) => index + 2

const acquire = (ints: Int32Array, at: number, owner: number): void => {
  for (let tries = 1; ; tries++) {
    const holder = Atomics.compareExchange(ints, at, 0, owner)
    if (holder === 0) return
    if (tries >= SPINS) Atomics.wait(ints, at, holder, SLEEP_MILLIS)
  }
}
