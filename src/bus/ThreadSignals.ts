import { MessageChannel, type MessagePort } from "node:worker_threads"

/** A line of the processor's cache for each thread, so that they do not share one by accident. */
const THREAD_WORDS = 16

const ASLEEP = 0
const HOLD = 1
const AWAITING = 2

/** The memory that `ThreadSignals` share. */
export type SharedSignals = SharedArrayBuffer

/** Allocates the signals of so many threads. */
export const allocate = (threads: number): SharedSignals =>
  new SharedArrayBuffer(threads * THREAD_WORDS * Int32Array.BYTES_PER_ELEMENT)

/** Discards the signals of a thread that has ended, or has yet to begin. */
export const reset = (signals: SharedSignals, thread: number): void => {
  const all = new Int32Array(signals)
  for (const word of [ASLEEP, HOLD, AWAITING]) Atomics.store(all, thread * THREAD_WORDS + word, 0)
}

/** The port to another thread: every message of it wakes. */
export type WakePort = readonly [thread: number, port: MessagePort]

/** What the main thread has for an index. */
const MAIN = -1

/** The ports of one thread to all others. */
export class WakePorts {
  readonly #ports = new Map<number, MessagePort>()
  onWake = (): void => {}

  /** Connects a thread, in the place of the one before it, and wakes it: this one may have tried to by the port of the one before. */
  add([thread, port]: WakePort): void {
    this.#ports.get(thread)?.close()
    this.#ports.set(thread, port)
    port.on("message", () => this.onWake())
    // Whether the thread goes on is not for its bus to say.
    port.unref()
    this.wake(thread)
  }

  wake(thread: number): void {
    this.#ports.get(thread)?.postMessage(undefined)
  }

  wakeAll(): void {
    for (const thread of this.#ports.keys()) this.wake(thread)
  }

  close(): void {
    for (const port of this.#ports.values()) port.close()
    this.#ports.clear()
  }
}

/** Connects every thread with every other one, and with the main thread, which has this. */
export class WakeMesh {
  readonly #threads = new Map<number, (wakePort: WakePort) => void>()
  readonly #wakePorts = new WakePorts()

  /**
   * Connects a thread that is about to begin, in the place of one that has ended.
   *
   * @param tell gives it the ports to those that begin later
   * @returns its own
   */
  connect(thread: number, tell: (wakePort: WakePort) => void): ReadonlyArray<WakePort> {
    this.#threads.set(thread, tell)
    const wakePorts: Array<WakePort> = []
    const connect = (other: number, tellOther: (wakePort: WakePort) => void) => {
      const { port1, port2 } = new MessageChannel()
      wakePorts.push([other, port1])
      tellOther([thread, port2])
    }
    connect(MAIN, (wakePort) => this.#wakePorts.add(wakePort))
    for (const [other, tellOther] of this.#threads) if (other !== thread) connect(other, tellOther)
    return wakePorts
  }

  wakeAll(): void {
    this.#wakePorts.wakeAll()
  }
}

/**
 * What the threads of a room signal to each other: that they sleep, that senders should hold, that they wait for somebody.
 *
 * A sleeping thread is woken by a message. Every two threads have a channel of their own, because one that is busy should not get messages
 * that are for another. Not a `BroadcastChannel`, which both would find by its name, nor `Atomics.waitAsync`: docs/decisions.md says why.
 */
export class ThreadSignals {
  readonly #words: Int32Array
  readonly #thread: number
  readonly #wakePorts: WakePorts
  #holds = 0

  /**
   * @param thread this one
   * @param wakePorts to the others; they close with these signals
   * @param onWake called in a turn of its own after `sleep`, once another thread has woken this one, and sometimes without that
   */
  constructor(signals: SharedSignals, thread: number, wakePorts: WakePorts, onWake: () => void) {
    this.#words = new Int32Array(signals)
    this.#thread = thread
    this.#wakePorts = wakePorts
    wakePorts.onWake = onWake
  }

  close(): void {
    this.#wakePorts.close()
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
    if (Atomics.compareExchange(this.#words, thread * THREAD_WORDS + ASLEEP, 1, 0) === 1) this.#wakePorts.wake(thread)
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
