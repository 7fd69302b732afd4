import type { Chunk } from "../room/Outbox.ts"
import { Backlog } from "./Backlog.ts"
import * as Frame from "./Frame.ts"

/**
 * What may be on its way to the engine without its confirmation. More waits here, where it can be counted and dropped. It is the limit of
 * the bytes in one round trip, and what a slow line has to carry before the engine counts as gone.
 */
const WINDOW_BYTES = 1024 * 1024

/**
 * What another process may be behind before senders wait for it. All processes together must not be able to send a client more than
 * lies between its soft and its hard limit before it can make them wait.
 */
const PEER_WINDOW_BYTES = 1024 * 1024

/** The engine is asked for a confirmation after so many bytes, or milliseconds. */
const CONFIRM_BYTES = 256 * 1024
const CONFIRM_MILLIS = 50

/** How long what waits is held back for processes that have yet to come back, in milliseconds. */
const HOLD_MILLIS = 3000

/** A connection to the engine. */
export interface EngineConnection {
  readonly maxMessageBytes: number
  readonly send: (message: Uint8Array) => void
  /** Done once the engine has everything that was sent so far. Never done, or rejected, when the connection is lost before. */
  readonly confirmed: () => Promise<void>
}

/** What the room wants to know. */
export interface OutboundEvents {
  /** So much waits for the engine, or another process is so far behind, that senders should wait. Never while there is no connection. */
  readonly onSlow: (what: string) => void
  readonly onCaughtUp: (what: string) => void
}

/** The engine, among what may be slow; the others are processes. */
const ENGINE = "engine"

/** Another process. */
interface Receiver {
  /** How much of what was published it has handled, in bytes. */
  end: number
  isSlow: boolean
}

/**
 * The way of this process's batches to the engine: numbered, confirmed, and sent again over the next connection if one is lost before
 * that. Bounded in bytes, whatever the engine does.
 *
 * The client library takes whatever it is given, connected or not, and tells nothing of what becomes of it; so it is given no more than the
 * window, and asked.
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
  #sequence = 0
  #engine: EngineConnection | undefined
  /** Processes that are to be heard before what waits is sent. */
  readonly #awaited = new Set<string>()
  #holdTimer: NodeJS.Timeout | undefined
  #isSlow = false
  readonly #receivers = new Map<string, Receiver>()
  /** The last batch sent, and the bytes sent since a confirmation was asked for. */
  #sentSequence = 0
  #unaskedBytes = 0
  #isConfirming = false
  #confirmTimer: NodeJS.Timeout | undefined
  #onEmpty: (() => void) | undefined

  /**
   * @param origin `Frame.ORIGIN_BYTES` that tell this process
   * @param limitBytes what may wait; senders wait from half of it on
   */
  constructor(origin: Uint8Array, limitBytes: number, events: OutboundEvents) {
    this.#origin = origin
    this.#limitBytes = limitBytes
    this.#events = events
    this.#backlog = new Backlog(limitBytes)
  }

  /** Bytes that wait to be sent, or to be confirmed. */
  get waitingBytes(): number {
    return this.#backlog.bytes
  }

  /** Batches that do. */
  get waiting(): number {
    return this.#backlog.length
  }

  /** @param parts whole lines, which are one batch */
  publish(parts: ReadonlyArray<Chunk>): void {
    const { bytes, lines } = Frame.sizeOf(parts)
    this.batches++
    this.bytes += bytes
    this.dropped += this.#backlog.push({ sequence: ++this.#sequence, parts, bytes, lines, end: this.bytes })
    this.#send()
    this.#checkSlow()
    for (const [id, receiver] of this.#receivers) this.#checkReceiver(id, receiver)
  }

  /**
   * There is a connection.
   *
   * @param awaited processes without which what waits is not sent yet: they were there before, and have to connect again themselves
   */
  up(engine: EngineConnection, awaited: Iterable<string>): void {
    this.#engine = engine
    for (const id of awaited) this.#awaited.add(id)
    if (this.#awaited.size > 0) this.#holdTimer = setTimeout(() => this.release(), HOLD_MILLIS)
    this.#send()
    this.#checkSlow()
  }

  /** The connection is lost. */
  down(): void {
    this.#engine = undefined
    this.#awaited.clear()
    this.#clearTimers()
    this.#isConfirming = false
    this.#backlog.rewind()
    this.#checkSlow()
    for (const id of this.#receivers.keys()) this.forget(id)
  }

  /** Another process has given a sign of life. What it has to handle begins with what is published from now on. */
  heard(id: string): void {
    if (this.#engine !== undefined && !this.#receivers.has(id))
      this.#receivers.set(id, { end: this.bytes, isSlow: false })
    if (this.#awaited.delete(id) && this.#awaited.size === 0) this.release()
  }

  /** Another process has handled everything up to `end`, which counts only if so much was published. */
  acknowledged(id: string, end: number): void {
    const receiver = this.#receivers.get(id)
    if (receiver === undefined || end <= receiver.end || end > this.bytes) return
    receiver.end = end
    this.#checkReceiver(id, receiver)
  }

  /** Another process is not there any more. */
  forget(id: string): void {
    const isSlow = this.#receivers.get(id)?.isSlow === true
    this.#receivers.delete(id)
    if (isSlow) this.#events.onCaughtUp(id)
  }

  /** Waits for nobody any more. */
  release(): void {
    this.#awaited.clear()
    clearTimeout(this.#holdTimer)
    this.#send()
    this.#checkSlow()
  }

  /** Calls `onEmpty` once nothing waits, if the connection lasts so long; at once, if there is none. */
  drain(onEmpty: () => void): void {
    this.release()
    if (this.#engine === undefined || this.waiting === 0) return onEmpty()
    this.#onEmpty = onEmpty
    if (!this.#isConfirming) this.#confirm(this.#engine)
  }

  /** Ends it. What still waits is not sent. */
  close(): void {
    this.#engine = undefined
    this.#clearTimers()
  }

  #clearTimers(): void {
    clearTimeout(this.#holdTimer)
    clearTimeout(this.#confirmTimer)
    this.#confirmTimer = undefined
  }

  /** Sends what waits, as far as the window allows. */
  #send(): void {
    const engine = this.#engine
    if (engine === undefined || this.#awaited.size > 0) return
    while (this.#backlog.sentBytes < WINDOW_BYTES) {
      const batch = this.#backlog.take()
      if (batch === undefined) break
      for (const frame of Frame.encode(this.#origin, batch, engine.maxMessageBytes)) engine.send(frame)
      this.#sentSequence = batch.sequence
      this.#unaskedBytes += batch.bytes
    }
    if (this.#isConfirming || this.#backlog.sentBytes === 0) return
    if (this.#unaskedBytes >= CONFIRM_BYTES || this.#onEmpty !== undefined) this.#confirm(engine)
    else this.#confirmTimer ??= setTimeout(() => this.#confirm(engine), CONFIRM_MILLIS)
  }

  #confirm(engine: EngineConnection): void {
    clearTimeout(this.#confirmTimer)
    this.#confirmTimer = undefined
    this.#isConfirming = true
    this.#unaskedBytes = 0
    const upTo = this.#sentSequence
    const onConfirmed = () => {
      if (engine !== this.#engine) return
      this.#isConfirming = false
      this.#backlog.confirm(upTo)
      this.#send()
      this.#checkSlow()
      if (this.waiting === 0) this.#onEmpty?.()
    }
    // If the connection is lost before, `down` tells.
    engine.confirmed().then(onConfirmed, () => {})
  }

  #checkSlow(): void {
    // While nothing can be sent, nobody has to wait for it.
    const canSend = this.#engine !== undefined && this.#awaited.size === 0
    const isSlow = canSend && this.waitingBytes > this.#limitBytes / (this.#isSlow ? 4 : 2)
    if (isSlow === this.#isSlow) return
    this.#isSlow = isSlow
    if (isSlow) this.#events.onSlow(ENGINE)
    else this.#events.onCaughtUp(ENGINE)
  }

  #checkReceiver(id: string, receiver: Receiver): void {
    const isSlow = this.bytes - receiver.end > PEER_WINDOW_BYTES
    if (isSlow === receiver.isSlow) return
    receiver.isSlow = isSlow
    if (isSlow) this.#events.onSlow(id)
    else this.#events.onCaughtUp(id)
  }
}
