import { type BusControl, type BusRoom } from "../room/Bus.ts"
import { Slot } from "../internal/Slot.ts"
import * as ControlMessage from "./ControlMessage.ts"
import * as Frame from "./Frame.ts"
import { Inbound } from "./Inbound.ts"
import type { Outbound } from "./Outbound.ts"
import { PeerTable } from "./PeerTable.ts"

/** A process is told how many of its bytes have been handled after this many. */
const ACKNOWLEDGED_BYTES = 128 * 1024

/** Progress through the batches of another process, in bytes that it has published. */
interface Progress {
  received: number
  acknowledged: number
}

/** Sends a control message to one process, or to all. */
type SendControl = (message: Uint8Array, to?: string) => void

/** The messages of the other processes: batches for the room, control messages for `Cluster`, acknowledgements for `Outbound`. */
export class Exchange {
  readonly room = new Slot<BusRoom>()
  readonly control = new Slot<BusControl>()
  readonly counts = { batchesIn: 0, bytesIn: 0, lost: 0, duplicates: 0, malformed: 0, leaps: 0 }

  readonly #origin: Buffer
  readonly #id: string
  readonly #outbound: Outbound
  readonly #inbound: Inbound
  readonly #peers = new PeerTable<Progress>()
  /** Without a connection, `undefined`. */
  #send: SendControl | undefined
  /** Acknowledgements wait until the room no longer has slow clients. */
  #isAcknowledging = false

  /**
   * @param origin `Frame.ORIGIN_BYTES` that tell this process
   * @param maxLineBytes the longest envelope, in bytes with its line feed
   */
  constructor(origin: Buffer, maxLineBytes: number, outbound: Outbound) {
    this.#origin = origin
    this.#id = origin.toString("hex")
    this.#outbound = outbound
    this.#inbound = new Inbound(maxLineBytes)
  }

  /** Sends control messages by `send` from now on; `undefined`: there is no connection. */
  connect(send: SendControl | undefined): void {
    this.#send = send
    this.catchUp()
  }

  /** Asks for what may have been missed. */
  catchUp(): void {
    if (this.#send === undefined) return
    this.control.current?.onUp()
    for (const [id, request] of this.#inbound.requestAll(performance.now())) this.#request(id, request)
  }

  /** Sends a text to one process, or to all. */
  tell(text: string, to?: string): void {
    this.#send?.(ControlMessage.encodeText(this.#origin, text, this.#outbound.sent), to)
  }

  /** Frees the memory of batches that have been unfinished for too long. */
  expire(): void {
    this.#inbound.expire(performance.now())
  }

  /** Handles a message on the subject of the room. */
  readonly receiveFrame = (bytes: Uint8Array): void => this.#receiveFrame(bytes, false)

  /** Handles a message on the control subject of this process: also frames that it has requested. */
  readonly receiveOwn = (bytes: Uint8Array): void =>
    bytes[0] === Frame.VERSION ? this.#receiveFrame(bytes, true) : this.receiveControl(bytes)

  /** Handles a message on the control subject of the room. */
  readonly receiveControl = (bytes: Uint8Array): void => {
    this.#outbound.received(bytes.length)
    const message = ControlMessage.decode(bytes)
    if (message === undefined) return void this.counts.malformed++
    const { from } = message
    if (from === this.#id) return
    this.#heard(from)
    switch (message._tag) {
      case "Text":
        this.#request(from, this.#inbound.sent(from, message.sent, performance.now()))
        return this.control.current?.onMessage(message.text, from)
      case "Acknowledgement":
        return this.#outbound.acknowledged(from, message.end)
      case "Request": {
        const next = this.#outbound.requested(from, message)
        this.#send?.(ControlMessage.encodePosition(this.#origin, { token: message.token, next }), from)
        return this.#outbound.repair()
      }
      case "Position": {
        const { isBehind, lost } = this.#inbound.answered(from, message)
        this.counts.lost += lost
        if (isBehind) this.counts.leaps++
        return
      }
    }
  }

  #receiveFrame(bytes: Uint8Array, isRepair: boolean): void {
    const { counts } = this
    this.#outbound.received(bytes.length)
    const frame = Frame.decode(bytes)
    if (frame === undefined) return void counts.malformed++
    if (frame.origin === this.#id) return
    const { batch, isDuplicate, isMalformed, lost, request } = this.#inbound.take(frame, performance.now(), isRepair)
    counts.lost += lost
    this.#request(frame.origin, request)
    if (isMalformed === true) return void counts.malformed++
    const progress = this.#heard(frame.origin)
    if (isDuplicate === true) counts.duplicates++
    if (batch === undefined) return
    counts.batchesIn++
    counts.bytesIn += batch.bytes.length
    this.room.current?.onBatch(batch)
    const { end } = frame
    // The first batch of this relay, or another publisher has used its name.
    if (progress.received === 0 || end < progress.acknowledged) progress.acknowledged = end - batch.bytes.length
    progress.received = end
    if (end - progress.acknowledged >= ACKNOWLEDGED_BYTES && !this.#isAcknowledging) this.#acknowledge()
  }

  #request(id: string, request: ControlMessage.Request | undefined): void {
    if (request !== undefined) this.#send?.(ControlMessage.encodeRequest(this.#origin, request), id)
  }

  #heard(from: string): Progress {
    const now = performance.now()
    const progress = this.#peers.get(from) ?? { received: 0, acknowledged: 0 }
    this.#peers.heard(from, progress, now)
    for (const id of this.#peers.gone(now)) {
      this.#peers.leave(id)
      this.#outbound.forget(id)
    }
    this.#outbound.heard(from)
    return progress
  }

  /** Tells processes how much of their batches has been handled, once no client here is slow. */
  readonly #acknowledge = (): void => {
    const room = this.room.current
    this.#isAcknowledging = room?.hasSlowClients() === true
    if (this.#isAcknowledging) return room!.onceClientsCaughtUp(this.#acknowledge)
    if (this.#send === undefined) return
    for (const [id, progress] of this.#peers.entries()) {
      if (progress.received - progress.acknowledged < ACKNOWLEDGED_BYTES) continue
      progress.acknowledged = progress.received
      this.#send(ControlMessage.encodeAcknowledgement(this.#origin, progress.received), id)
    }
  }
}
