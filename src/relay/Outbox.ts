import type { ServerConfig } from "../ServerConfig.ts"
import type { Connection } from "./Connection.ts"
import type { DepartureKind } from "./Departure.ts"
import * as Notice from "./Notice.ts"

/** `hyper_parameters.slow_consumer`; read whenever it matters, so that it may change. */
export type OutboxLimits = Pick<
  ServerConfig["Service"]["hyper_parameters"]["slow_consumer"],
  "policy" | "soft_limit_bytes" | "hard_limit_bytes"
>

/** What the room wants to know of one outbox. Called synchronously. */
export interface OutboxEvents {
  /** The backlog rose above the soft limit. */
  readonly onSlow: () => void
  /** It is back at or below the soft limit. */
  readonly onCaughtUp: () => void
  /** It reached the hard limit, and the policy is to disconnect. Everything sent from now on is dropped. */
  readonly onOverflow: () => void
  /** `messages` were dropped at the hard limit; the client is told once it reads again. */
  readonly onDropped: (messages: number) => void
}

/** Whole lines that travel together. */
export interface Parcel {
  readonly bytes: Uint8Array
  /** Messages in it; 0 for a notice. */
  readonly messages: number
  /** What the bytes are a slice of, if they are. */
  readonly batch?: Uint8Array
}

/**
 * What stands between the room and one client: bytes go straight to the connection while it accepts them, and wait here,
 * bounded in bytes, while it does not. Parcels are whole lines and leave in the order they came, so no policy cuts a line
 * or reorders. The bytes are shared with every other outbox: holding them costs memory only once.
 */
export class Outbox {
  readonly #connection: Connection
  readonly #limits: OutboxLimits
  readonly #events: OutboxEvents
  /** A queue whose first `#head` entries are gone. */
  #parcels: Array<Parcel> = []
  #head = 0
  #queuedBytes = 0
  #queuedNoticeBytes = 0
  /** The connection accepts nothing until it calls `onWritable`. */
  #blocked = false
  #slow = false
  #state: "open" | "overflowed" | "ending" | "ended" = "open"
  #departure: DepartureKind = "left"
  /** Messages dropped that the client has not been told about. */
  #dropped = 0
  #sentMessages = 0
  #sentBytes = 0

  constructor(connection: Connection, limits: OutboxLimits, events: OutboxEvents) {
    this.#connection = connection
    this.#limits = limits
    this.#events = events
    connection.onWritable = () => {
      this.#blocked = false
      this.#pump()
    }
  }

  /** Bytes on their way to the client that the kernel has not taken. */
  get waitingBytes(): number {
    return this.#queuedBytes + this.#connection.unsentBytes()
  }

  /** Messages handed to the connection so far. */
  get sentMessages(): number {
    return this.#sentMessages
  }

  /** Bytes handed to the connection so far, those of notices included. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /**
   * Sends a parcel. The object is kept while it waits, so that all outboxes can share it as they share its bytes.
   *
   * @returns whether it was taken; if not, the policy at the hard limit has dropped it
   */
  send(parcel: Parcel): boolean {
    if (this.#state !== "open") return false
    if (this.#blocked) return this.#enqueue(parcel)
    if (!this.#write(parcel)) {
      this.#blocked = true
      this.#checkSlow()
    }
    return true
  }

  /** Sends several parcels with one system call: those of a batch around the client's own lines. */
  sendAll(parcels: ReadonlyArray<Parcel>): void {
    if (this.#state !== "open") return
    if (this.#blocked) {
      for (const parcel of parcels) this.#enqueue(parcel)
      return
    }
    this.#connection.corkUnsafe()
    let accepting = true
    for (const parcel of parcels) accepting = this.#write(parcel)
    this.#uncork(accepting)
    this.#checkSlow()
  }

  /**
   * Tells the client `text`, `count` times over.
   *
   * @returns how often it was not told, because too much still waits to be read
   */
  notify(text: string, count = 1): number {
    if (this.#state !== "open") return count
    let untold = count
    while (untold > 0) {
      const room = Notice.MAX_BYTES - this.#queuedNoticeBytes
      const told = Math.min(untold, Math.floor(room / Buffer.byteLength(text)))
      if (told === 0 || !this.send({ bytes: Buffer.from(text.repeat(told)), messages: 0 })) break
      untold -= told
    }
    return untold
  }

  /**
   * Takes nothing more. What waits is still sent, then `farewell`, then the end of our side. A client that overflowed has
   * shown that it does not read, and what waited for it is gone already.
   */
  end(farewell: string | undefined, kind: DepartureKind): void {
    if (this.#state === "ending" || this.#state === "ended") return
    this.#state = "ending"
    this.#departure = kind
    if (farewell !== undefined) this.#push({ bytes: Buffer.from(farewell), messages: 0 })
    if (!this.#blocked) this.#pump()
  }

  /** Drops everything, for a connection that is gone. */
  close(): void {
    this.#state = "ended"
    this.#clear()
  }

  #enqueue(parcel: Parcel): boolean {
    if (this.#state !== "open" || !this.#makeRoom(parcel)) return false
    this.#push(parcel)
    this.#checkSlow()
    return true
  }

  #write(parcel: Parcel): boolean {
    this.#sentMessages += parcel.messages
    this.#sentBytes += parcel.bytes.length
    return this.#connection.writeUnsafe(parcel.bytes, parcel.batch)
  }

  /** Writes what waits until the connection takes no more. */
  #pump(): void {
    if (this.#state === "ended") return
    while (!this.#blocked && (this.#head < this.#parcels.length || this.#dropped > 0)) {
      this.#connection.corkUnsafe()
      let accepting = this.#tellDropped()
      while (accepting && this.#head < this.#parcels.length) accepting = this.#write(this.#shift())
      this.#uncork(accepting)
    }
    this.#checkSlow()
    if (this.#state === "ending" && this.#head === this.#parcels.length) {
      this.#state = "ended"
      this.#connection.endUnsafe(this.#departure)
    }
  }

  /** A corked connection cannot know whether the kernel takes everything: only now it shows. */
  #uncork(accepting: boolean): void {
    this.#connection.uncorkUnsafe()
    this.#blocked = !accepting && this.#connection.unsentBytes() > 0
  }

  #tellDropped(): boolean {
    if (this.#dropped === 0) return true
    const messages = this.#dropped
    this.#dropped = 0
    return this.#write({ bytes: Buffer.from(Notice.messagesDropped(messages)), messages: 0 })
  }

  #checkSlow(): void {
    if (this.#state !== "open") return
    const isSlow = this.waitingBytes > this.#limits.soft_limit_bytes
    if (isSlow === this.#slow) return
    this.#slow = isSlow
    if (isSlow) this.#events.onSlow()
    else this.#events.onCaughtUp()
  }

  /** Applies the policy at the hard limit, and says whether `parcel` is to be queued. */
  #makeRoom(parcel: Parcel): boolean {
    const limit = this.#limits.hard_limit_bytes - parcel.bytes.length
    if (this.waitingBytes <= limit) return true
    switch (this.#limits.policy) {
      case "disconnect":
        this.#state = "overflowed"
        this.#clear()
        this.#events.onOverflow()
        return false
      case "drop_oldest": {
        let dropped = 0
        while (this.waitingBytes > limit && this.#head < this.#parcels.length) dropped += this.#shift().messages
        const fits = this.waitingBytes <= limit
        this.#drop(fits ? dropped : dropped + parcel.messages)
        return fits
      }
      case "drop_newest":
        this.#drop(parcel.messages)
        return false
    }
  }

  #drop(messages: number): void {
    if (messages === 0) return
    this.#dropped += messages
    this.#events.onDropped(messages)
  }

  #push(parcel: Parcel): void {
    this.#parcels.push(parcel)
    this.#queuedBytes += parcel.bytes.length
    if (parcel.messages === 0) this.#queuedNoticeBytes += parcel.bytes.length
  }

  #shift(): Parcel {
    const parcel = this.#parcels[this.#head]!
    this.#parcels[this.#head++] = GONE
    this.#queuedBytes -= parcel.bytes.length
    if (parcel.messages === 0) this.#queuedNoticeBytes -= parcel.bytes.length
    // Giving back the front once it is half of the array keeps both the array and the cost of a shift bounded.
    if (this.#head * 2 >= this.#parcels.length) {
      this.#parcels = this.#parcels.slice(this.#head)
      this.#head = 0
    }
    return parcel
  }

  #clear(): void {
    this.#parcels = []
    this.#head = 0
    this.#queuedBytes = 0
    this.#queuedNoticeBytes = 0
  }
}

const GONE: Parcel = { bytes: new Uint8Array(0), messages: 0 }
