import { BroadcastChannel } from "node:worker_threads"

/** A line of the processor's cache for each thread, so that they do not share one by accident. */
const THREAD_WORDS = 16

const ASLEEP = 0
const HOLD = 1
const AWAITING = 2

/** What `ThreadSignals` share. */
export interface SharedSignals {
  /** The name of the room: different for each of a process. */
  readonly name: string
  readonly words: SharedArrayBuffer
}

/** Allocates the signals of so many threads. */
export const allocate = (name: string, threads: number): SharedSignals => ({
  name,
  words: new SharedArrayBuffer(threads * THREAD_WORDS * Int32Array.BYTES_PER_ELEMENT)
})

/** Discards the signals of a thread that has ended, or has yet to begin. */
export const reset = ({ words }: SharedSignals, thread: number): void => {
  const all = new Int32Array(words)
  for (const word of [ASLEEP, HOLD, AWAITING]) Atomics.store(all, thread * THREAD_WORDS + word, 0)
}

/** Wakes the others of a thread that has ended: it may have marked one as awake, and ended before it sent the message. */
export const wakeOthers = ({ name, words }: SharedSignals, thread: number): void => {
  const threads = words.byteLength / (THREAD_WORDS * Int32Array.BYTES_PER_ELEMENT)
  for (let other = 0; other < threads; other++) {
    if (other === thread) continue
    const channel = new BroadcastChannel(channelName(name, thread, other))
    channel.postMessage(undefined)
    channel.close()
  }
}

const channelName = (room: string, thread: number, other: number): string =>
  `${room} ${Math.min(thread, other)} ${Math.max(thread, other)}`

/**
 * What the threads of a room signal to each other: that they sleep, that senders should hold, that they wait for somebody.
 *
 * A sleeping thread is woken by a message. Every two threads have a channel of their own, because one that is busy should not get messages
 * that are for another; and a `BroadcastChannel`, because both find it by its name: ports would have to be handed to every other thread
 * whenever one is replaced. `Atomics.waitAsync` needs neither, and takes twice as long (docs/decisions.md).
 */
export class ThreadSignals {
  readonly #words: Int32Array
  readonly #thread: number
  readonly #channels = new Map<number, BroadcastChannel>()
  #holds = 0

  /**
   * @param thread this one
   * @param others the others
   * @param onWake called in a turn of its own after `sleep`, once another thread has woken this one
   */
  constructor({ name, words }: SharedSignals, thread: number, others: ReadonlyArray<number>, onWake: () => void) {
    this.#words = new Int32Array(words)
    this.#thread = thread
    for (const other of others) {
      const channel = new BroadcastChannel(channelName(name, thread, other))
      channel.onmessage = onWake
      // Whether the thread goes on is not for its bus to say.
      channel.unref()
      this.#channels.set(other, channel)
    }
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close()
    this.#channels.clear()
  }

  /** From now on this thread is woken. It looks once more after that: what came before wakes nobody. */
  sleep(): void {
    this.#store(ASLEEP, 1)
  }

  /** It is awake by itself. */
  awake(): void {
    this.#store(ASLEEP, 0)
  }

  /** Wakes another thread if it sleeps. */
  wake(thread: number): void {
    if (Atomics.compareExchange(this.#words, thread * THREAD_WORDS + ASLEEP, 1, 0) === 1)
      this.#channels.get(thread)?.postMessage(undefined)
  }

  /** Senders of other threads should hold, for a moment from now on. */
  hold(): void {
    this.#store(HOLD, ++this.#holds)
  }

  /** They need not any more. */
  release(): void {
    this.#store(HOLD, 0)
  }

  /** How often another thread has said `hold`; 0: senders need not. */
  holdsOf(thread: number): number {
    return this.#load(thread, HOLD)
  }

  /** Whether this thread waits for another, and is to be woken if that makes progress. */
  set isAwaiting(isAwaiting: boolean) {
    this.#store(AWAITING, isAwaiting ? 1 : 0)
  }

  /** Whether another thread waits for one. */
  awaits(thread: number): boolean {
    return this.#load(thread, AWAITING) === 1
  }

  #load(thread: number, word: number): number {
    return Atomics.load(this.#words, thread * THREAD_WORDS + word)
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#thread * THREAD_WORDS + word, value)
  }
}
