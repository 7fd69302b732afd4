import type { Member } from "./Room.ts"

/** What waits here, in bytes. */
const MOST_BYTES = 2 * 1024 * 1024

/** Batches that some members had not taken when they were sent, whose memory is to be used again once all have. */
export class UntakenBatches {
  /** Of all batches. */
  bytes = 0
  #releases: Array<() => void> = []
  /** A member that had not taken everything. */
  #behind: Member | undefined

  /** Adds a batch. Beyond the limit the others are left to the garbage collector. */
  add(bytes: number, release: () => void): void {
    if (this.bytes + bytes > MOST_BYTES) this.forget()
    this.#releases.push(release)
    this.bytes += bytes
  }

  /** Leaves all to the garbage collector. */
  forget(): void {
    this.#releases = []
    this.bytes = 0
  }

  /** Releases all, if every member has taken everything it was sent. */
  reclaim(members: ReadonlySet<Member>): void {
    if (this.#behind !== undefined && members.has(this.#behind) && isBehind(this.#behind)) return
    this.#behind = undefined
    for (const member of members) {
      if (isBehind(member)) {
        this.#behind = member
        return
      }
    }
    const releases = this.#releases
    this.forget()
    for (const release of releases) release()
  }
}

const isBehind = (member: Member) => member.outbox.waitingBytes > 0
