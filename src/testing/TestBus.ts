import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Slot } from "../internal/Slot.ts"
import { Bus, type BusControl, type BusRoom, MAX_MESSAGE_BYTES, NOTHING_EXCHANGED } from "../room/Bus.ts"

type Delivery = () => void

interface Process {
  /** Without spaces. */
  readonly name: string
  isUp: boolean
  readonly room: Slot<BusRoom>
  readonly control: Slot<BusControl>
}

/** Options of the bus. */
export interface Options {
  /** Whether the test delivers messages with `deliver`; otherwise they arrive in the next turn of the event loop. */
  readonly byHand?: boolean
  /** The longest message beside lines, in bytes; 64 KiB by default. */
  readonly maxMessageBytes?: number
}

/**
 * Connects the servers of a test into one room without sockets. Loses nothing while it is up.
 *
 * @example `const bus = new TestBus()`, then `TestRelay.layer({}, bus.layer("a"))` and `TestRelay.layer({}, bus.layer("b"))`
 */
export class TestBus {
  readonly #byHand: boolean
  readonly #maxMessageBytes: number
  readonly #processes = new Set<Process>()
  /** Undelivered messages by sender and receiver; ordered only between these two. */
  readonly #channels = new Map<string, Array<Delivery>>()

  /** A bus without processes. */
  constructor({ byHand = false, maxMessageBytes = MAX_MESSAGE_BYTES }: Options = {}) {
    this.#byHand = byHand
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Number of channels, each from one process to another, with undelivered messages. */
  get channels(): number {
    return this.#channels.size
  }

  /** Delivers the first message of a channel, if there is one. */
  deliver(channel = 0): void {
    const [name, deliveries] = Array.from(this.#channels)[channel] ?? []
    if (name === undefined || deliveries === undefined) return
    const delivery = deliveries.shift()!
    if (deliveries.length === 0) this.#channels.delete(name)
    delivery()
  }

  /** Delivers all messages. */
  deliverAll(): void {
    while (this.#channels.size > 0) this.deliver()
  }

  /**
   * Cuts off processes. Undelivered messages, and those sent meanwhile, are lost.
   *
   * @param name one process; all of them if left out
   */
  goDown(name?: string): void {
    for (const process of this.#processes) {
      if (name !== undefined && process.name !== name) continue
      process.isUp = false
      for (const channel of this.#channels.keys()) {
        if (channel.split(" ").includes(process.name)) this.#channels.delete(channel)
      }
    }
  }

  /** Reverts `goDown`. */
  goUp(name?: string): void {
    const back = Array.from(this.#processes).filter(
      (process) => !process.isUp && (name === undefined || process.name === name)
    )
    for (const process of back) process.isUp = true
    for (const { control } of back) control.current?.onUp()
  }

  /** Reports to all processes that the bus is slow, or has caught up. */
  goSlow(isSlow: boolean): void {
    for (const { room } of this.#processes) {
      if (isSlow) room.current?.onSlow("test")
      else room.current?.onCaughtUp("test")
    }
  }

  /**
   * The bus for one process.
   *
   * @param name unique name of the process, without spaces
   */
  layer(name: string): Layer.Layer<Bus> {
    return Layer.effect(
      Bus,
      Effect.gen({ self: this }, function* () {
        const process: Process = { name, isUp: true, room: new Slot(), control: new Slot() }
        yield* Effect.acquireRelease(
          Effect.sync(() => this.#processes.add(process)),
          () => Effect.sync(() => this.#processes.delete(process))
        )
        const counts = { batchesOut: 0, bytesOut: 0, batchesIn: 0, bytesIn: 0 }
        return Bus.of({
          self: { id: name, name },
          publishUnsafe: (parts) => {
            const bytes = Buffer.concat(parts.map((part) => part.bytes))
            const messages = parts.reduce((sum, part) => sum + part.messages, 0)
            counts.batchesOut++
            counts.bytesOut += bytes.length
            this.#send(process, undefined, ({ room }) => room.current?.onBatch({ bytes, messages }))
          },
          tellUnsafe: (message, to) =>
            this.#send(process, to, ({ control }) => control.current?.onMessage(message, name)),
          maxMessageBytesUnsafe: () => this.#maxMessageBytes,
          joinRoom: (room) =>
            process.room.hold({
              ...room,
              onBatch: (batch) => {
                counts.batchesIn++
                counts.bytesIn += batch.bytes.length
                room.onBatch(batch)
              }
            }),
          listen: (control) =>
            Effect.andThen(
              process.control.hold(control),
              Effect.sync(() => {
                if (process.isUp) control.onUp()
              })
            ),
          stats: Effect.sync(() => ({ ...NOTHING_EXCHANGED, state: process.isUp ? "up" : "down", ...counts }))
        })
      })
    )
  }

  #send(from: Process, to: string | undefined, deliver: (process: Process) => void): void {
    if (!from.isUp) return
    for (const process of this.#processes) {
      if (process === from || !process.isUp || (to !== undefined && to !== process.name)) continue
      const channel = `${from.name} ${process.name}`
      const deliveries = this.#channels.get(channel)
      if (deliveries !== undefined) deliveries.push(() => deliver(process))
      else this.#channels.set(channel, [() => deliver(process)])
    }
    if (!this.#byHand) setImmediate(() => this.deliverAll())
  }
}
