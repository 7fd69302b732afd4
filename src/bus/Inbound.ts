import type { Parcel } from "../relay/Outbox.ts"
import type { Frame } from "./Frame.ts"

/** The most processes whose numbers are remembered; of more, the one heard longest ago is forgotten. */
const MAX_ORIGINS = 1024

/** The most bytes of a batch of which a piece is missing: the longest line there can be, and a batch of short ones. */
const MAX_BATCH_BYTES = 17 * 1024 * 1024

/** What has arrived from one process. */
interface Origin {
  /** The last batch that is done with, whether it arrived or not. */
  sequence: number
  /** The pieces of the batch under way. */
  pieces: Array<Uint8Array>
  bytes: number
}

/** What becomes of a frame. */
export interface Arrival {
  /** A batch that is complete now. */
  readonly batch: Parcel | undefined
  /** Batches before it that will not come any more. */
  readonly lost: number
  /** It was there before. */
  readonly isDuplicate: boolean
}

/**
 * Makes batches of the frames of other processes: each batch once, those of one process in order, and it is known how many are missing.
 */
export class Inbound {
  readonly #origins = new Map<string, Origin>()

  /** Whoever is heard for the first time may have said something before: that is not lost, but came too early for this process. */
  take({ content, isLast, lines, origin: name, piece, sequence }: Frame): Arrival {
    const origin = this.#origins.get(name) ?? { sequence: sequence - 1, pieces: [], bytes: 0 }
    // Who was heard last comes last.
    this.#origins.delete(name)
    this.#origins.set(name, origin)
    if (this.#origins.size > MAX_ORIGINS) this.#origins.delete(this.#origins.keys().next().value!)

    // The rest of a batch that was given up is no news, either.
    if (sequence <= origin.sequence) return { batch: undefined, lost: 0, isDuplicate: piece === 0 }
    const isNext = sequence === origin.sequence + 1
    if (isNext && isLast && piece === 0) {
      this.#advance(origin, sequence)
      return { batch: { bytes: content, messages: lines }, lost: 0, isDuplicate: false }
    }

    const lost = sequence - origin.sequence - 1
    if (lost > 0) this.#advance(origin, sequence - 1)
    if (piece === 0) {
      origin.pieces = []
      origin.bytes = 0
    }
    if (piece !== origin.pieces.length || origin.bytes + content.length > MAX_BATCH_BYTES) {
      // A piece is missing, so the rest is of no use.
      this.#advance(origin, sequence)
      return { batch: undefined, lost: lost + 1, isDuplicate: false }
    }
    origin.pieces.push(content)
    origin.bytes += content.length
    if (!isLast) return { batch: undefined, lost, isDuplicate: false }
    const bytes = origin.pieces.length === 1 ? content : Buffer.concat(origin.pieces)
    this.#advance(origin, sequence)
    return { batch: { bytes, messages: lines }, lost, isDuplicate: false }
  }

  #advance(origin: Origin, sequence: number): void {
    origin.sequence = sequence
    origin.pieces = []
    origin.bytes = 0
  }
}
