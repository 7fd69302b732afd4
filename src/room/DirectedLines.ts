/** The lines of a batch that are for some members only. */
import type { Chunk } from "./Outbox.ts"
import type { Member, Run, Sender } from "./Room.ts"

/**
 * The most recipients of directed lines in one batch. A line for the same array as one before it adds none. The batch is sent when there are
 * more: it keeps their arrays until then.
 */
const MAX_RECIPIENTS = 65_536

type Recipients = ReadonlyArray<Member>

/** Collects them while the batch is under construction, and says then what each member gets. */
export class DirectedLines {
  /** In order. */
  readonly #runs: Array<Run> = []
  readonly #byRecipients = new Map<Recipients, Array<Run>>()
  readonly #bySender = new Map<Sender, number>()
  #recipients = 0

  /** Adds the line at `[start, end)`, before which the batch has `linesBefore` lines. */
  add(recipients: Recipients, sender: Sender, start: number, end: number, linesBefore: number): void {
    this.#bySender.set(sender, this.linesOf(sender) + 1)
    let runs = this.#byRecipients.get(recipients)
    if (runs === undefined) {
      runs = []
      this.#byRecipients.set(recipients, runs)
      this.#recipients += recipients.length
    }
    const last = runs.at(-1)
    if (last !== undefined && last.end === start) {
      last.end = end
      last.linesUpTo = linesBefore + 1
      return
    }
    const run = { start, end, linesBefore, linesUpTo: linesBefore + 1 }
    runs.push(run)
    this.#runs.push(run)
  }

  get isFull(): boolean {
    return this.#recipients >= MAX_RECIPIENTS
  }

  /** How many of them a sender has published. */
  linesOf(sender: Sender): number {
    return this.#bySender.get(sender) ?? 0
  }

  /** The lines for all members, without those of a sender. */
  forAll(batch: Chunk, own: ReadonlyArray<Run> | undefined): Array<Chunk> {
    return without(own === undefined ? this.#runs : union(this.#runs, own), batch.bytes, batch.messages)
  }

  /** What each member gets of the batch. Members who get the same get the same chunks. */
  partsOf(batch: Chunk): (member: Member) => ReadonlyArray<Chunk> {
    const { bytes, messages } = batch
    /** The runs for each member that gets some of them: those of one array, or of several in an array of its own. */
    const included = new Map<Member, Array<Run>>()
    const severally = new Set<Array<Run>>()
    for (const [recipients, runs] of this.#byRecipients) {
      for (const member of recipients) {
        const some = included.get(member)
        if (some === undefined) {
          included.set(member, runs)
        } else if (severally.has(some)) {
          for (const run of runs) some.push(run)
        } else {
          const both = [...some, ...runs]
          severally.add(both)
          included.set(member, both)
        }
      }
    }
    for (const runs of severally) runs.sort(inOrder)

    const shared = new Map<Array<Run> | undefined, ReadonlyArray<Chunk>>()
    return (member) => {
      const own = included.get(member)
      if (member.own !== undefined) return without(union(this.#otherThan(own), member.own), bytes, messages)
      let parts = shared.get(own)
      if (parts === undefined) {
        parts = without(this.#otherThan(own), bytes, messages)
        shared.set(own, parts)
      }
      return parts
    }
  }

  /** The runs that are not among `some`, which are in order. */
  #otherThan(some: ReadonlyArray<Run> = []): ReadonlyArray<Run> {
    let next = 0
    return some.length === 0 ? this.#runs : this.#runs.filter((run) => run !== some[next] || ++next === 0)
  }
}

const inOrder = (a: Run, b: Run) => a.start - b.start

/** Lines that are in one of two lists, each in order. A line may be in both. */
const union = (some: ReadonlyArray<Run>, others: ReadonlyArray<Run>): ReadonlyArray<Run> => {
  const runs: Array<Run> = []
  for (const run of [...some, ...others].toSorted(inOrder)) {
    const last = runs.at(-1)
    if (last === undefined || run.start > last.end) {
      runs.push({ ...run })
    } else if (run.end > last.end) {
      last.end = run.end
      last.linesUpTo = run.linesUpTo
    }
  }
  return runs
}

/** The slices of a batch around some of its lines. `runs`: of these lines, in order. */
export const without = (runs: ReadonlyArray<Run>, bytes: Uint8Array, lines: number): Array<Chunk> => {
  const chunks: Array<Chunk> = []
  let from = 0
  let linesSent = 0
  for (const run of runs) {
    if (run.start > from)
      chunks.push({ bytes: bytes.subarray(from, run.start), messages: run.linesBefore - linesSent, batch: bytes })
    from = run.end
    linesSent = run.linesUpTo
  }
  if (from < bytes.length) chunks.push({ bytes: bytes.subarray(from), messages: lines - linesSent, batch: bytes })
  return chunks
}
