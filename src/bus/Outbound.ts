import type { Chunk } from "../room/Outbox.ts"
import { Backlog } from "./Backlog.ts"
import type { Request } from "./ControlMessage.ts"
import * as Frame from "./Frame.ts"
import { Repairs } from "./Repairs.ts"
import { SentBatches } from "./SentBatches.ts"
import { RECEIVER_WINDOW_BYTES, WINDOW_BYTES } from "./windows.ts"

/**
 * The most messages that NATS keeps for a process that does not read: each process has its subscription end after so many, and extends it as it
 * reads. NATS has no such limit in bytes.
 */
export const UNREAD_MESSAGES = 8192

/**
 * The longest message, in bytes, while another process may hang: `UNREAD_MESSAGES` of these are 12 MiB. Longer messages add `HANGING_BYTES` for each
 * sender. From 32 MiB on NATS slows all publishers down.
 */
const SHORT_MESSAGE_BYTES = 1536

/** A process that is so far behind may hang, in bytes: senders have waited for it before. */
const HANGING_BYTES = 2 * 1024 * 1024

/**
 * Senders go on waiting for NATS while it sends, or confirms, this many bytes within the stall grace: less than the relay reads in one turn, so
 * that a relay which was stopped finds progress before senders go on.
 */
const PROGRESS_BYTES = 32 * 1024

/** After each batch senders wait again for a process that is behind, if it has handled anything within this time, in milliseconds. */
const PROGRESS_MILLIS = 1000

/** NATS is asked for a confirmation after so many bytes, or milliseconds. */
const CONFIRM_BYTES = 256 * 1024
const CONFIRM_MILLIS = 50

/** A connection to NATS. */
export interface EngineConnection {
  readonly maxMessageBytes: number
  /**
   * @param to one process; by default all
   */
  readonly send: (frame: Uint8Array, to?: string) => void
  /** Done once NATS has everything that was sent so far. Never done, or rejected, when the connection is lost before. */
  readonly confirmed: () => Promise<void>
}

/** Events for the room. */
export interface OutboundEvents {
  /**
   * NATS or another process is so far behind that senders should wait, for a grace from now on. Called again while NATS makes progress. Never
   * while there is no connection.
   */
  readonly onSlow: (what: string) => void
  readonly onCaughtUp: (what: string) => void
}

/** The name of NATS in `OutboundEvents`; other names are those of processes. */
const ENGINE = "engine"

/** Another process. */
interface Receiver {
  /** Bytes of this process that it has handled. */
  end: number
  isSlow: boolean
  /** When `end` last grew. */
  progressMillis: number
  /** The value of `#messages` when it was last heard. */
  heardAt: number
}

/**
 * The batches of this process on their way to NATS: numbered, confirmed, sent again on the next connection if one is lost before, and to processes
 * that have missed them. Bounded in bytes, whatever NATS does.
 *
 * The client library accepts any amount of bytes, connected or not, and does not report their delivery. So it gets no more than a window, and is
 * asked for confirmations.
 */
export class Outbound {
  batches = 0
  bytes = 0
  /** Batches that were dropped. */
  dropped = 0

  readonly #origin: Uint8Array
  readonly #limitBytes: number
  readonly #events: OutboundEvents
  readonly #backlog: Backlog
  readonly #confirmed: SentBatches
  #sequence = 0
  #engine: EngineConnection | undefined
  #isSlow = false
  /** Bytes that NATS has sent or confirmed since senders last began to wait for it. */
  #progressBytes = 0
  readonly #receivers = new Map<string, Receiver>()
  readonly #repairs = new Repairs(
    (sequence) => this.#sentFrom(sequence),
    () => this.repair()
  )
  /** The last batches sent on this connection, and confirmed, and the bytes sent since a confirmation was asked for. */
  #sentSequence = 0
  #confirmedSequence = 0
  /** The end of the last batch sent, in bytes as in `Receiver`. */
  #sentEnd = 0
  /** Messages sent to all processes on this connection. */
  #messages = 0
  /** The greatest `heardAt` of processes that are gone; 0, because one may have gone before the connection. */
  #goneHeardAt = 0
  #unaskedBytes = 0
  #isConfirming = false
  #confirmTimer: NodeJS.Timeout | undefined
  #onEmpty: (() => void) | undefined

  /**
   * @param origin `Frame.ORIGIN_BYTES` that tell this process
   * @param limitBytes what may wait; senders wait from half of it on. As much is kept of batches that are confirmed
   */
  constructor(origin: Uint8Array, limitBytes: number, events: OutboundEvents) {
    this.#origin = origin
    this.#limitBytes = limitBytes
    this.#events = events
    this.#backlog = new Backlog(limitBytes)
    this.#confirmed = new SentBatches(limitBytes)
  }

  /** Bytes that wait to be sent, or to be confirmed. */
  get waitingBytes(): number {
    return this.#backlog.bytes
  }

  /** Batches that wait to be sent, or to be confirmed. */
  get waiting(): number {
    return this.#backlog.length
  }

  /** The number of the last batch that has been sent on this connection. */
  get sent(): number {
    return this.#sentSequence
  }

  /** @param parts whole lines, which are one batch */
  publish(parts: ReadonlyArray<Chunk>): void {
    const { bytes, lines } = Frame.sizeOf(parts)
    this.batches++
    this.bytes += bytes
    this.dropped += this.#backlog.push({ sequence: ++this.#sequence, parts, bytes, lines, end: this.bytes, dropped: 0 })
    this.#send()
    this.#checkSlow()
    for (const [id, receiver] of this.#receivers) {
      const wasSlow = receiver.isSlow
      this.#checkReceiver(id, receiver)
      const goesOn = wasSlow && receiver.isSlow && performance.now() - receiver.progressMillis < PROGRESS_MILLIS
      if (goesOn) this.#events.onSlow(id)
    }
  }

  /** There is a connection: a first one, one after another was lost, or one that takes the place of another. */
  up(engine: EngineConnection): void {
    if (this.#engine !== undefined) this.down()
    this.#engine = engine
    this.#send()
    this.#checkSlow()
  }

  /** The connection is lost. */
  down(): void {
    this.#engine = undefined
    this.#clearTimer()
    this.#isConfirming = false
    this.#sentSequence = this.#confirmedSequence
    this.#backlog.rewind()
    this.#checkSlow()
    this.#repairs.clear()
    for (const id of this.#receivers.keys()) this.forget(id)
    this.#messages = 0
    this.#goneHeardAt = 0
  }

  /** Another process has given a sign of life. It has to handle the batches that are published from now on. */
  heard(id: string): void {
    if (this.#engine === undefined) return
    const receiver = this.#receivers.get(id)
    if (receiver !== undefined) receiver.heardAt = this.#messages
    else this.#receivers.set(id, { end: this.bytes, isSlow: false, progressMillis: -Infinity, heardAt: this.#messages })
  }

  /** Another process has handled everything up to `end`, which counts only if so much was published. */
  acknowledged(id: string, end: number): void {
    if (end > this.bytes) return
    if (this.#repairs.acknowledged(id, end)) this.repair()
    const receiver = this.#receivers.get(id)
    if (receiver === undefined || end <= receiver.end) return
    receiver.end = end
    receiver.progressMillis = performance.now()
    this.#checkReceiver(id, receiver)
  }

  /** Another process is gone. */
  forget(id: string): void {
    const receiver = this.#receivers.get(id)
    this.#receivers.delete(id)
    this.#repairs.forget(id)
    if (receiver === undefined) return
    this.#goneHeardAt = Math.max(this.#goneHeardAt, receiver.heardAt)
    if (receiver.isSlow) this.#events.onCaughtUp(id)
  }

  /** NATS has sent so many bytes: what it confirms comes after them. */
  received(bytes: number): void {
    if (this.#isSlow) this.#progress(bytes)
  }

  /**
   * Another process expects batch `next`: `repair` sends it again, with those after it, as far as they are kept.
   *
   * @returns the number with which the batches go on
   */
  requested(id: string, { next }: Request): number {
    if (this.#engine === undefined) return next
    const sent = this.#sentFrom(next)
    if (sent === undefined) {
      this.#repairs.forget(id)
      return this.#backlog.numberFrom(next) ?? this.#sequence + 1
    }
    return this.#repairs.begin(id, sent) ? sent.sequence : next
  }

  /** Sends missed batches again, as far as their windows and their rate allow. */
  repair(): void {
    const engine = this.#engine
    if (engine === undefined) return
    this.#repairs.send((batch, to) => {
      for (const frame of Frame.encode(this.#origin, batch, engine.maxMessageBytes)) engine.send(frame, to)
    })
    if (this.#repairs.unconfirmedBytes > 0 && !this.#isConfirming) this.#confirm(engine)
  }

  /** Calls `onEmpty` once nothing waits, if the connection lasts so long; at once, if there is none. */
  drain(onEmpty: () => void): void {
    if (this.#engine === undefined || this.waiting === 0) return onEmpty()
    this.#onEmpty = onEmpty
    if (!this.#isConfirming) this.#confirm(this.#engine)
  }

  /** Ends it. Batches that wait are not sent. */
  close(): void {
    this.#engine = undefined
    this.#clearTimer()
    this.#repairs.clear()
  }

  #clearTimer(): void {
    clearTimeout(this.#confirmTimer)
    this.#confirmTimer = undefined
  }

  /** Sends batches that wait, as far as the window allows. */
  #send(): void {
    const engine = this.#engine
    if (engine === undefined) return
    while (this.#backlog.sentBytes < WINDOW_BYTES) {
      const batch = this.#backlog.take()
      if (batch === undefined) break
      const limitBytes = this.#mayHang() ? SHORT_MESSAGE_BYTES : Infinity
      const frames = Frame.encode(this.#origin, batch, Math.min(engine.maxMessageBytes, limitBytes))
      for (const frame of frames) engine.send(frame)
      this.#messages += frames.length
      this.#sentEnd = batch.end
      this.#sentSequence = batch.sequence
      this.#unaskedBytes += batch.bytes
    }
    if (this.#isConfirming || this.#backlog.sentBytes === 0) return
    if (this.#unaskedBytes >= CONFIRM_BYTES || this.#onEmpty !== undefined) this.#confirm(engine)
    else this.#confirmTimer ??= setTimeout(() => this.#confirm(engine), CONFIRM_MILLIS)
  }

  /** Whether a process may hang that still has a subscription: that of one heard `UNREAD_MESSAGES` ago has ended. */
  #mayHang(): boolean {
    const ended = this.#messages - UNREAD_MESSAGES
    if (this.#goneHeardAt > ended) return true
    for (const { end, heardAt } of this.#receivers.values()) {
      if (heardAt > ended && this.#sentEnd - end > HANGING_BYTES) return true
    }
    return false
  }

  #confirm(engine: EngineConnection): void {
    this.#clearTimer()
    this.#isConfirming = true
    this.#unaskedBytes = 0
    const upTo = this.#sentSequence
    const repairedBytes = this.#repairs.unconfirmedBytes
    const onConfirmed = () => {
      if (engine !== this.#engine) return
      this.#isConfirming = false
      this.#confirmedSequence = Math.max(this.#confirmedSequence, upTo)
      const before = this.#backlog.sentBytes
      this.#backlog.confirm(upTo, (batch) => this.#confirmed.add(batch))
      const confirmedBytes = before - this.#backlog.sentBytes
      this.#repairs.unconfirmedBytes -= repairedBytes
      this.#send()
      this.repair()
      this.#checkSlow()
      if (this.#isSlow) this.#progress(confirmedBytes)
      if (this.waiting === 0) this.#onEmpty?.()
    }
    // If the connection is lost before, `down` is called.
    engine.confirmed().then(onConfirmed, () => {})
  }

  /** The first batch with this number or a higher one that was sent on this connection, or confirmed on any. */
  #sentFrom(sequence: number): Frame.Batch | undefined {
    return this.#confirmed.from(sequence) ?? this.#backlog.sentFrom(sequence)
  }

  #progress(bytes: number): void {
    this.#progressBytes += bytes
    if (this.#progressBytes < PROGRESS_BYTES) return
    this.#progressBytes = 0
    this.#events.onSlow(ENGINE)
  }

  #checkSlow(): void {
    // Without a connection senders do not wait.
    const isSlow = this.#engine !== undefined && this.waitingBytes > this.#limitBytes / (this.#isSlow ? 4 : 2)
    if (isSlow === this.#isSlow) return
    this.#isSlow = isSlow
    this.#progressBytes = 0
    if (isSlow) this.#events.onSlow(ENGINE)
    else this.#events.onCaughtUp(ENGINE)
  }

  #checkReceiver(id: string, receiver: Receiver): void {
    const isSlow = this.bytes - receiver.end > RECEIVER_WINDOW_BYTES
    if (isSlow === receiver.isSlow) return
    receiver.isSlow = isSlow
    if (isSlow) this.#events.onSlow(id)
    else this.#events.onCaughtUp(id)
  }
}
