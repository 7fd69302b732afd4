import { Histogram } from "../internal/Histogram.ts"
import * as Envelope from "../protocol/Envelope.ts"
import { EnvelopeBuffer } from "../protocol/EnvelopeBuffer.ts"
import { BatchMemory } from "./BatchMemory.ts"
import type { Connection } from "./Connection.ts"
import { DirectedLines, without } from "./DirectedLines.ts"
import type { History } from "./History.ts"
import { Outbox, type OutboxEvents, type OutboxLimits, type Chunk } from "./Outbox.ts"
import { UntakenBatches } from "./UntakenBatches.ts"

/**
 * A batch this large is sent before the turn of the event loop ends: what the kernel copies for all recipients should still be in the
 * processor's cache when they read it, and a turn that reads many senders must not accumulate bytes (docs/decisions.md).
 */
const LARGEST_BATCH_BYTES = 512 * 1024

/** The least of it, in a room with many members or with other processes. */
const SMALLEST_BATCH_BYTES = 128 * 1024

/** Bytes of a batch for all members together. */
const FLUSH_BYTES = 8 * 1024 * 1024

/** The share of the hard limit of a client that a batch may have. */
const SHARE_OF_LIMIT = 1 / 16

/**
 * Rooms of this size or more pause between flushes. A flush to so many members takes about a millisecond: without a pause, a line
 * every millisecond would keep a core busy with one system call per recipient and line.
 */
const PACED_MEMBERS = 256

/** The longest pause after a flush, in milliseconds. */
const LONGEST_PAUSE_MILLIS = 5

const NO_SENDERS: Array<Sender> = []

const FAN_OUT_BOUNDS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]

/** In whole microseconds: V8 would box fractions. */
const LATENCY_BOUNDS = [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000]

/** Batches from other processes up to this size are copied into the current batch, so that recipients get both with one write. */
const COPIED_BYTES = 32 * 1024

/** A run of consecutive lines within the batch. */
export interface Run {
  readonly start: number
  end: number
  /** How many lines of the batch come before the run. */
  readonly linesBefore: number
  /** And how many up to its end. */
  linesUpTo: number
}

/** A source of lines: a client, the host program or the other processes. */
export class Sender {
  /** `ip:port` of a client: the sender's name in envelopes and logs. */
  readonly address: string
  /** What every envelope of this sender begins with. */
  readonly prefix: Uint8Array
  /** Where this sender's lines are in the batch under construction: it does not get them back. */
  own: Array<Run> | undefined

  /** A source that has published nothing. `address`: names it in envelopes. */
  constructor(address: string) {
    this.address = address
    this.prefix = Envelope.prefix(address)
    this.own = undefined
  }
}

/** A client in the room. */
export class Member extends Sender {
  /** What the client has not read yet. */
  readonly outbox: Outbox

  constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents) {
    super(connection.address)
    this.outbox = new Outbox(connection, limits, events)
  }
}

/**
 * The clients in the room, and the way of every line from one to all others: the hot path, plain code on bytes.
 *
 * Lines that arrive within one turn of the event loop are encoded into one batch. Every recipient gets the same bytes, a sender the
 * slices around its own lines: a delivery copies nothing in this process, and a turn costs a recipient one write for any number of lines.
 */
export class Room {
  readonly members = new Set<Member>()
  readonly fanOut = new Histogram(FAN_OUT_BOUNDS)
  /** From publishing a line to handing it to the last outbox, in microseconds; for a batch, measured from its first line. */
  readonly latencyMicros = new Histogram(LATENCY_BOUNDS)
  readonly #maxLineBytes: number
  readonly #limits: Pick<OutboxLimits, "hard_limit_bytes"> | undefined
  /** The batch under construction; there is always space for one more line behind `LARGEST_BATCH_BYTES`. */
  readonly #batch: EnvelopeBuffer
  #batchBytes = 0
  /** How many bytes it may have before it is sent. */
  #mostBytes = 0
  readonly #memory = new BatchMemory()
  readonly #untaken = new UntakenBatches()
  #batchLines = 0
  #batchBeganMillis = 0
  #senders: Array<Sender> = NO_SENDERS
  /** Lines of the batch that are for some members only, if there are any. */
  #directed: DirectedLines | undefined
  #flushScheduled = false
  /** When a large room may be flushed again. */
  #pauseUntilMillis = 0
  /** Hands batches to the other processes. */
  #publishToOthers: ((parts: ReadonlyArray<Chunk>) => void) | undefined
  /** The other processes, as one sender: they do not get their lines back. */
  readonly #others = new Sender("")

  readonly #history: History | undefined

  /**
   * @param maxLineBytes the longest envelope relayed, in bytes with its line feed
   * @param history gets what is sent to all, and greets members with it
   * @param limits of the members
   */
  constructor(maxLineBytes: number, history?: History, limits?: Pick<OutboxLimits, "hard_limit_bytes">) {
    this.#maxLineBytes = maxLineBytes
    this.#history = history
    this.#limits = limits
    this.#batch = new EnvelopeBuffer(LARGEST_BATCH_BYTES + maxLineBytes)
    this.#limitBatch()
  }

  /** Adds a member. It gets every line published from now on, and of those before what the history has. */
  join(member: Member): void {
    this.flush()
    const missed = this.#history?.chunks(performance.now()) ?? []
    if (missed.length > 0) member.outbox.sendAll(missed)
    this.members.add(member)
  }

  leave(member: Member): void {
    this.members.delete(member)
    // It may still be sent what it has not taken, and is no longer looked at.
    if (member.outbox.waitingBytes > 0) this.#untaken.forget()
  }

  /**
   * Relays the line `bytes[start, end)` to all members except its sender, at the latest at the end of this turn of the event
   * loop, or, in a large room, of a pause. The bytes are copied.
   *
   * @param isConstant `bytes` never change: further lines of the same object cost less
   * @returns `false` if the line's envelope would be too long: then it is not relayed
   */
  publish(sender: Sender, bytes: Uint8Array, start: number, end: number, isConstant = false): boolean {
    const from = this.#batchBytes
    const to = this.#batch.encode(from, this.#maxLineBytes, sender.prefix, bytes, start, end, isConstant)
    if (to === -1) return false
    this.#batchBytes = to
    this.#added(sender, from, to, 1)
    return true
  }

  /** Whether `publishLines` publishes any. */
  get publishesLines(): boolean {
    return this.#batch.encodesLines
  }

  /**
   * As `publish` for each of the lines in `bytes[start, end)`, which end with a line feed and never change; only as many as one batch takes.
   *
   * @param accept gets how many could be relayed, and answers how many of them are to be
   * @returns the end of the last line relayed; `start`, if there is none, because `publish` has to relay or refuse the first
   */
  publishLines(
    sender: Sender,
    bytes: Uint8Array,
    start: number,
    end: number,
    accept: (lines: number) => number
  ): number {
    const batch = this.#batch
    const from = this.#batchBytes
    let to = batch.encodeLines(from, this.#mostBytes, this.#maxLineBytes, sender.prefix, bytes, start, end)
    const { lines } = batch
    if (lines === 0) return start
    const accepted = accept(lines)
    if (accepted === 0) return start
    if (accepted < lines) {
      to = batch.encodeLines(from, this.#mostBytes, this.#maxLineBytes, sender.prefix, bytes, start, end, accepted)
    }
    const { linesEnd } = batch
    this.#batchBytes = to
    this.#added(sender, from, to, accepted)
    return linesEnd
  }

  /** Accounts for `lines` that are in the batch now, at `[from, to)`. */
  #added(sender: Sender, from: number, to: number, lines: number): void {
    const linesBefore = this.#batchLines
    if (linesBefore === 0) this.#batchBeganMillis = performance.now()
    const linesUpTo = linesBefore + lines
    this.#batchLines = linesUpTo
    const run = sender.own?.at(-1)
    if (run !== undefined && run.end === from) {
      run.end = to
      run.linesUpTo = linesUpTo
    } else {
      const added = { start: from, end: to, linesBefore, linesUpTo }
      // V8 makes an array that grows from nothing sixteen places large.
      if (sender.own !== undefined) sender.own.push(added)
      else {
        sender.own = [added]
        if (this.#senders.length === 0) this.#senders = [sender]
        else this.#senders.push(sender)
      }
    }

    if (to >= this.#mostBytes) {
      this.flush()
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true
      const pause = this.members.size < PACED_MEMBERS ? 0 : this.#pauseUntilMillis - performance.now()
      if (pause > 0) setTimeout(this.#flushScheduledBatch, pause)
      else setImmediate(this.#flushScheduledBatch)
    }
  }

  /**
   * From now on batches go to other processes, too.
   *
   * @param publish gets the lines of a batch that did not come from there, and copies what it keeps of them; `undefined` ends it
   */
  connect(publish: ((parts: ReadonlyArray<Chunk>) => void) | undefined): void {
    this.flush()
    this.#publishToOthers = publish
    this.#limitBatch()
  }

  #limitBatch(): void {
    const hardLimit = this.#limits?.hard_limit_bytes ?? Infinity
    const most = Math.min(LARGEST_BATCH_BYTES, FLUSH_BYTES / this.members.size, hardLimit * SHARE_OF_LIMIT)
    this.#mostBytes = this.#publishToOthers === undefined ? Math.max(SMALLEST_BATCH_BYTES, most) : SMALLEST_BATCH_BYTES
  }

  /**
   * Relays a batch of another process to all members, as `publish` does. The bus has checked it.
   *
   * @param release called once its bytes are not needed any more, or never; without it they do not change
   */
  receive(batch: Chunk, release?: () => void): void {
    const { bytes, messages } = batch
    if (bytes.length === 0 || !(messages > 0)) return
    if (bytes.length > COPIED_BYTES) {
      this.flush()
      if (this.#untaken.bytes > 0) this.#untaken.reclaim(this.members)
      let isKept = false
      for (const { outbox } of this.members) {
        outbox.send(batch)
        if (outbox.waitingBytes > 0) isKept = true
      }
      if (this.#history?.isOn === true) this.#history.add(batch, performance.now())
      if (release === undefined) return
      if (isKept) this.#untaken.add(bytes.length, release)
      else release()
      return
    }
    if (bytes.length > this.#batch.bytes.length - this.#batchBytes) this.flush()
    const from = this.#batchBytes
    // Throws if it does not fit, which `COPIED_BYTES` excludes.
    this.#batch.bytes.set(bytes, from)
    this.#batchBytes = from + bytes.length
    release?.()
    this.#added(this.#others, from, this.#batchBytes, messages)
  }

  /** As `publish`, for some members only. `recipients`: do not change afterwards. The sender among them does not get the line. */
  publishTo(recipients: ReadonlyArray<Member>, sender: Sender, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#batchBytes
    const to = this.#batch.encode(from, this.#maxLineBytes, sender.prefix, bytes, start, end, false)
    if (to === -1) return false
    this.#batchBytes = to
    const directed = (this.#directed ??= new DirectedLines())
    directed.add(recipients, sender, from, to, this.#batchLines)
    this.fanOut.observe(recipients.length - (recipients.includes(sender as Member) ? 1 : 0), 1)
    this.#added(sender, from, to, 1)
    if (directed.isFull) this.flush()
    return true
  }

  flush(): void {
    const lines = this.#batchLines
    if (lines === 0) return
    const senders = this.#senders
    if (this.#untaken.bytes > 0) this.#untaken.reclaim(this.members)
    // A copy: a slow recipient may keep it for long, and the next batch needs the memory at once.
    const bytes = this.#memory.take(this.#batchBytes)
    bytes.set(this.#batch.bytes.subarray(0, this.#batchBytes))
    const chunk: Chunk = { bytes, messages: lines }
    this.#batchBytes = 0
    this.#batchLines = 0
    this.#senders = NO_SENDERS
    const directed = this.#directed
    this.#directed = undefined
    const isKept = directed === undefined ? this.#flushToAll(chunk, senders) : this.#flushDirected(chunk, directed)
    if (this.#history?.isOn === true) {
      for (const part of directed?.forAll(chunk, undefined) ?? [chunk]) this.#history.add(part, performance.now())
    }
    if (isKept) this.#untaken.add(bytes.length, this.#releaseOf(bytes))
    else this.#memory.release(bytes)
    let published = 0
    for (const sender of senders) {
      // The process that a line comes from counts it.
      if (sender !== this.#others) {
        const own = linesIn(sender.own!)
        const toAll = own - (directed?.linesOf(sender) ?? 0)
        if (toAll > 0) this.fanOut.observe(this.members.size - (this.members.has(sender as Member) ? 1 : 0), toAll)
        published += own
      }
      sender.own = undefined
    }
    if (published > 0) this.latencyMicros.observe(microsSince(this.#batchBeganMillis), published)
    this.#limitBatch()
  }

  /** A function of its own: V8 allocates for one within `flush` whenever that is called. */
  #releaseOf(bytes: Buffer<ArrayBuffer>): () => void {
    return () => this.#memory.release(bytes)
  }

  /** @returns whether the bytes of the batch are still needed */
  #flushToAll(chunk: Chunk, senders: ReadonlyArray<Sender>): boolean {
    const { bytes, messages: lines } = chunk
    // First, so that other threads write to their clients at the same time.
    if (this.#publishToOthers !== undefined) {
      const { own } = this.#others
      if (own === undefined) this.#publishToOthers([chunk])
      else if (senders.length > 1) this.#publishToOthers(without(own, bytes, lines))
    }
    let isKept = false
    for (const member of this.members) {
      const { outbox, own } = member
      if (own === undefined) outbox.send(chunk)
      else if (senders.length > 1) outbox.sendAll(without(own, bytes, lines))
      if (outbox.waitingBytes > 0) isKept = true
    }
    return isKept
  }

  /** As `#flushToAll`, for a batch with lines for some members only. */
  #flushDirected(batch: Chunk, directed: DirectedLines): boolean {
    if (this.#publishToOthers !== undefined) {
      // Recipients are chosen among the members of this process.
      const parts = directed.forAll(batch, this.#others.own)
      if (parts.length > 0) this.#publishToOthers(parts)
    }
    let isKept = false
    const partsOf = directed.partsOf(batch)
    for (const member of this.members) {
      const { outbox } = member
      const parts = partsOf(member)
      if (parts.length === 1) outbox.send(parts[0]!)
      else if (parts.length > 1) outbox.sendAll(parts)
      if (outbox.waitingBytes > 0) isKept = true
    }
    return isKept
  }

  readonly #flushScheduledBatch = () => {
    this.#flushScheduled = false
    if (this.members.size < PACED_MEMBERS) return this.flush()
    const began = performance.now()
    this.flush()
    const ended = performance.now()
    // A pause as long as the flush: lines that arrive in it share the next flush, and half of the core is left for other work.
    this.#pauseUntilMillis = ended + Math.min(ended - began, LONGEST_PAUSE_MILLIS)
  }
}

const linesIn = (own: ReadonlyArray<Run>): number => {
  let lines = 0
  for (const run of own) lines += run.linesUpTo - run.linesBefore
  return lines
}

const microsSince = (beganMillis: number): number => Math.round((performance.now() - beganMillis) * 1000)
