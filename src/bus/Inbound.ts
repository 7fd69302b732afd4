import { randomInt } from "node:crypto"
import { wholeLines } from "../protocol/wholeLines.ts"
import type { Chunk } from "../room/Outbox.ts"
import type { Request } from "./ControlMessage.ts"
import type { Frame } from "./Frame.ts"

/** The most processes whose numbers are remembered; of more, the one heard longest ago is forgotten. */
const MAX_ORIGINS = 1024

/** The most bytes of a batch of which a piece is missing: the longest line there can be, and a batch of short ones. */
const MAX_BATCH_BYTES = 17 * 1024 * 1024

/** The most bytes of all such batches. Of more, the one that began first is given up. */
export const MAX_UNFINISHED_BYTES = 2 * MAX_BATCH_BYTES

/** Time until the pieces of an unfinished batch are dropped, in milliseconds. They are published right after each other. */
export const UNFINISHED_MILLIS = 10_000

/** The memory of a piece beside its bytes. */
const PIECE_BYTES = 128

/**
 * Time between two requests for missing batches of a process, and without one of these batches before another request, in milliseconds. It doubles
 * with each request that is not answered: on a slow connection the answer is still on its way, behind what was sent before.
 */
export const REQUEST_MILLIS = 1000

/** Requests without an answer before the missing batches are given up: a minute. */
export const MAX_UNANSWERED = 6

/** The most batches that one gap counts as lost: a larger one is made up. */
const MAX_LOST = 2 ** 24

/** What is known of the batches of one process. */
interface Origin {
  readonly id: string
  /** The batch that comes next: all before have arrived, or will not. */
  next: number
  /** The pieces of the batch under way, and the bytes in them. */
  pieces: Array<Uint8Array>
  bytes: number
  sinceMillis: number
  /** The last request; `undefined` once a frame has arrived in step, or the request is answered. */
  request: Request | undefined
  /** When batches were last requested, or a requested one has arrived; -Infinity while frames arrive in step. */
  requestedMillis: number
  /** Requests without an answer on this connection. */
  unanswered: number
}

/** The bytes that the pieces of an origin occupy. */
const heldBytes = ({ bytes, pieces }: Origin): number => bytes + pieces.length * PIECE_BYTES

/** The outcome of a frame. */
export interface Arrival {
  /** A batch that is complete now. */
  readonly batch?: Chunk
  /** Batches before it that will not come any more. */
  readonly lost: number
  /** It arrived before. */
  readonly isDuplicate?: boolean
  /** Its content is not what it says: dropped. */
  readonly isMalformed?: boolean
  /** To be sent to its process: batches before this frame are missing. */
  readonly request?: Request
}

/**
 * Makes batches of the frames of other processes: each batch once, those of one process in order.
 *
 * A frame is taken only if it comes next. After a gap frames are dropped, and their process is asked to send its batches again from the gap
 * on, to this process alone; so a gap costs no memory here. If the process does not answer, it goes on without the missing batches.
 *
 * Anyone who may publish can send any frame in any name. So only whole lines go further, unfinished batches are bounded in all and in time, and a
 * made-up number mutes its process until its next sign of life at most: only a process itself, in answer to a request, can say where its batches go on.
 */
export class Inbound {
  readonly #maxLineBytes: number
  /** The one that was heard last comes last. */
  readonly #origins = new Map<string, Origin>()
  /** Origins with pieces, in the order in which these began. */
  readonly #unfinished = new Set<Origin>()
  #unfinishedBytes = 0

  /** @param maxLineBytes the longest envelope, in bytes with its line feed */
  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes
  }

  /** The bytes that all unfinished batches occupy. */
  get unfinishedBytes(): number {
    return this.#unfinishedBytes
  }

  /**
   * The batches that a process published before its first frame, or sign of life, are not missing: they came too early for this process.
   *
   * @param nowMillis of a clock that never goes back
   * @param isRepair whether the frame was sent to this process alone, because of a request
   */
  take(frame: Frame, nowMillis: number, isRepair = false): Arrival {
    const origin = this.#origin(frame.origin, frame.piece === 0 ? frame.sequence : frame.sequence + 1)
    if (frame.sequence < origin.next) return { lost: 0, isDuplicate: frame.piece === 0 }
    if (frame.sequence - frame.dropped <= origin.next) return this.#takeNext(origin, frame, nowMillis, isRepair)
    if (origin.unanswered < MAX_UNANSWERED || !this.#isRequestDue(origin, nowMillis)) {
      return { lost: 0, ...this.#requestMissing(origin, nowMillis) }
    }
    // Nobody answers.
    const lost = this.#advance(origin, frame.sequence)
    const arrival = this.#takeNext(origin, frame, nowMillis, isRepair)
    return { ...arrival, lost: lost + arrival.lost }
  }

  /**
   * A sign of life of a process.
   *
   * @param sent number of the last batch that it has sent
   * @returns a request to be sent to it, if batches are missing, or if it has sent fewer than have arrived in its name
   */
  sent(id: string, sent: number, nowMillis: number): Request | undefined {
    const origin = this.#origin(id, sent + 1)
    return sent + 1 === origin.next ? undefined : this.#requestMissing(origin, nowMillis).request
  }

  /** Requests to be sent on a new connection, by process: some of its batches may have been missed. */
  requestAll(nowMillis: number): ReadonlyArray<readonly [id: string, request: Request]> {
    return Array.from(this.#origins.values(), (origin) => {
      origin.unanswered = 0
      return [origin.id, this.#request(origin, nowMillis)] as const
    })
  }

  /**
   * A process has answered a request.
   *
   * @returns the batches that are lost, and whether the process has published fewer batches than have arrived in its name
   */
  answered(id: string, { next, token }: Request): { readonly lost: number; readonly isBehind: boolean } {
    const origin = this.#origins.get(id)
    if (origin?.request?.token !== token) return { lost: 0, isBehind: false }
    const isBehind = next < origin.request.next
    origin.request = undefined
    origin.unanswered = 0
    // Batches that have arrived since the request do not come again.
    return { lost: isBehind || next > origin.next ? this.#advance(origin, next) : 0, isBehind }
  }

  /** Drops the pieces of batches that have been unfinished for too long. If more of one arrives, it is requested again. */
  expire(nowMillis: number): void {
    for (const origin of this.#unfinished) {
      if (nowMillis - origin.sinceMillis < UNFINISHED_MILLIS) break
      this.#drop(origin)
    }
  }

  #takeNext(origin: Origin, frame: Frame, nowMillis: number, isRepair: boolean): Arrival {
    const { content, isLast, lines, piece, sequence } = frame
    const isWhole = isLast && piece === 0
    if (isWhole && wholeLines(content, this.#maxLineBytes) !== lines) return this.#malformed(origin, sequence, isRepair)
    let lost = sequence - origin.next
    if (lost > 0) lost = this.#advance(origin, sequence)
    if (piece === 0) this.#drop(origin)
    if (piece !== origin.pieces.length) {
      this.#drop(origin)
      return { lost, ...this.#requestMissing(origin, nowMillis) }
    }
    // More than any batch has.
    if (origin.bytes + content.length > MAX_BATCH_BYTES) return { lost: lost + this.#advance(origin, sequence + 1) }
    if (isRepair) origin.requestedMillis = nowMillis
    else {
      origin.request = undefined
      origin.requestedMillis = -Infinity
      origin.unanswered = 0
    }
    if (isLast) {
      const bytes = isWhole ? content : Buffer.concat([...origin.pieces, content])
      this.#drop(origin)
      if (!isWhole && wholeLines(bytes, this.#maxLineBytes) !== lines) {
        return { ...this.#malformed(origin, sequence, isRepair), lost }
      }
      origin.next = sequence + 1
      return { batch: { bytes, messages: lines }, lost }
    }
    if (piece === 0) {
      origin.sinceMillis = nowMillis
      this.#unfinished.add(origin)
    }
    // A copy: a piece may be few of many bytes that have arrived together.
    origin.pieces.push(Uint8Array.from(content))
    origin.bytes += content.length
    this.#unfinishedBytes += content.length + PIECE_BYTES
    for (const oldest of this.#unfinished) {
      if (this.#unfinishedBytes <= MAX_UNFINISHED_BYTES) break
      lost += this.#advance(oldest, oldest.next + 1)
    }
    return { lost }
  }

  /** A batch that its process sends again as it is will not get better; one that a stranger has sent takes no number away. */
  #malformed(origin: Origin, sequence: number, isRepair: boolean): Arrival {
    if (isRepair) this.#advance(origin, sequence + 1)
    return { lost: 0, isMalformed: true }
  }

  #isRequestDue(origin: Origin, nowMillis: number): boolean {
    return nowMillis - origin.requestedMillis >= REQUEST_MILLIS * 2 ** Math.max(0, origin.unanswered - 1)
  }

  #requestMissing(origin: Origin, nowMillis: number): { readonly request?: Request } {
    return this.#isRequestDue(origin, nowMillis) ? { request: this.#request(origin, nowMillis) } : {}
  }

  #request(origin: Origin, nowMillis: number): Request {
    origin.request = { token: randomInt(2 ** 32), next: origin.next }
    origin.unanswered++
    origin.requestedMillis = nowMillis
    return origin.request
  }

  /** @returns how many batches are given up by that */
  #advance(origin: Origin, next: number): number {
    const lost = next - origin.next
    origin.next = next
    this.#drop(origin)
    return lost > 0 && lost <= MAX_LOST ? lost : 0
  }

  /** Keeps nothing of the batch under way. */
  #drop(origin: Origin): void {
    if (!this.#unfinished.delete(origin)) return
    this.#unfinishedBytes -= heldBytes(origin)
    origin.pieces = []
    origin.bytes = 0
  }

  #origin(id: string, next: number): Origin {
    const known = this.#origins.get(id)
    const origin: Origin = known ?? {
      id,
      next,
      pieces: [],
      bytes: 0,
      sinceMillis: 0,
      request: undefined,
      requestedMillis: -Infinity,
      unanswered: 0
    }
    this.#origins.delete(id)
    this.#origins.set(id, origin)
    if (this.#origins.size > MAX_ORIGINS) {
      for (const [oldest, forgotten] of this.#origins) {
        this.#origins.delete(oldest)
        this.#drop(forgotten)
        break
      }
    }
    return origin
  }
}
