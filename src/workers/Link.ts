import type * as Net from "node:net"
import { Backlog } from "../bus/Backlog.ts"
import type { Batch } from "../bus/Frame.ts"
import { wholeLines } from "../protocol/wholeLines.ts"
import type { Chunk } from "../room/Outbox.ts"
import * as Frames from "./Frames.ts"

/**
 * What is given to the other worker before its clients have taken it. More waits here, where it can be counted, dropped, and make senders
 * wait: a client there is as far behind as one here, and this much.
 */
const WINDOW_BYTES = 1024 * 1024

/** What else may wait in the socket. Above it, nothing but batches is sent: the other worker is stuck. */
const MAX_TOLD_BYTES = 4 * 1024 * 1024

/** What may wait for another worker, in bytes; the same as for a client. */
export interface LinkLimits {
  readonly soft_limit_bytes: number
  readonly hard_limit_bytes: number
  /** The longest envelope. */
  readonly max_line_bytes: number
}

/** What a link tells. */
export interface LinkEvents {
  readonly onBatch: (batch: Chunk, link: Link) => void
  /** Batches that the other worker has dropped. */
  readonly onLost: (batches: number) => void
  /** A batch was dropped that was none. */
  readonly onMalformed: () => void
  readonly onTold: (kind: number, content: string, link: Link) => void
  /** More than the soft limit waits, or still does because clients there are slow; or does not any more. */
  readonly onSlow: (link: Link) => void
  readonly onCaughtUp: (link: Link) => void
}

/** The connection to one other worker, once both know who they are. Bounded in bytes, whatever the other one does. */
export class Link {
  /** Of the other worker. */
  readonly id: number
  /** Batches that were dropped because the other worker does not keep up. */
  dropped = 0
  isSlow = false
  readonly #socket: Net.Socket
  readonly #limits: LinkLimits
  readonly #events: LinkEvents
  readonly #backlog: Backlog
  #onEmpty: (() => void) | undefined
  #sequence: number
  /** Bytes of batches that were sent, and those of them that the other worker has credited. */
  #sentBytes = 0
  #creditedBytes = 0
  /** The same the other way round. */
  #arrivedBytes = 0
  #grantedBytes = 0

  /** @param sequence of the other worker's last batch before the link */
  constructor(id: number, sequence: number, socket: Net.Socket, limits: LinkLimits, events: LinkEvents) {
    this.id = id
    this.#sequence = sequence
    this.#socket = socket
    this.#limits = limits
    this.#events = events
    this.#backlog = new Backlog(limits.hard_limit_bytes)
    socket.on("drain", () => this.#pump())
  }

  /** Number of the last batch that has arrived. */
  get sequence(): number {
    return this.#sequence
  }

  /** What the other worker has not taken yet. */
  get waitingBytes(): number {
    return this.#backlog.bytes + this.#socket.writableLength
  }

  send(batch: Batch): void {
    this.dropped += this.#backlog.push(batch)
    this.#pump()
  }

  /** @returns `false`: the other worker is stuck, and gets nothing */
  tell(frame: Buffer): boolean {
    if (this.#socket.writableLength > MAX_TOLD_BYTES) return false
    this.#socket.write(frame)
    this.#checkSlow()
    return true
  }

  take({ content, kind, lines, sequence }: Frames.Arrived): void {
    switch (kind) {
      case Frames.BATCH:
        break
      case Frames.CREDIT:
        // Nobody can have taken what was not sent.
        this.#creditedBytes = Math.min(sequence, this.#sentBytes)
        return this.#pump()
      case Frames.HOLD:
        return this.isSlow ? this.#events.onSlow(this) : undefined
      default:
        return this.#events.onTold(kind, content.toString(), this)
    }
    const lost = sequence - this.#sequence - 1
    this.#sequence = sequence
    this.#arrivedBytes += content.length
    if (lost > 0) this.#events.onLost(lost)
    if (wholeLines(content, this.#limits.max_line_bytes) !== lines) return this.#events.onMalformed()
    this.#events.onBatch({ bytes: content, messages: lines }, this)
  }

  /** What has arrived so far has reached the clients: there may come more. */
  grant(): void {
    if (this.#arrivedBytes - this.#grantedBytes < WINDOW_BYTES / 4) return
    this.#grantedBytes = this.#arrivedBytes
    this.#socket.write(Frames.encode(Frames.CREDIT, "", this.#arrivedBytes))
  }

  /** Calls `onEmpty` once nothing waits. */
  drain(onEmpty: () => void): void {
    this.#onEmpty = onEmpty
    this.#pump()
  }

  close(): void {
    this.#socket.end()
    this.#socket.destroySoon()
  }

  #pump(): void {
    const socket = this.#socket
    while (this.#sentBytes - this.#creditedBytes < WINDOW_BYTES) {
      const batch = this.#backlog.take()
      if (batch === undefined) break
      // A stream needs no confirmation: it arrives, or the worker is gone.
      this.#backlog.confirm(batch.sequence)
      this.#sentBytes += batch.bytes
      const { parts } = batch
      if (parts.length === 1) {
        socket.write(parts[0]!.bytes)
        continue
      }
      socket.cork()
      for (const { bytes } of parts) socket.write(bytes)
      socket.uncork()
    }
    this.#checkSlow()
    if (this.waitingBytes === 0) this.#onEmpty?.()
  }

  #checkSlow(): void {
    const isSlow = this.waitingBytes > this.#limits.soft_limit_bytes / (this.isSlow ? 2 : 1)
    if (isSlow === this.isSlow) return
    this.isSlow = isSlow
    if (isSlow) this.#events.onSlow(this)
    else this.#events.onCaughtUp(this)
  }
}
