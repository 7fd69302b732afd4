import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Slot } from "../internal/Slot.ts"
import { Bus, type BusControl, type BusRoom, NOTHING_EXCHANGED } from "../room/Bus.ts"

/** Something on its way from one process to another. */
type Delivery = () => void

interface Process {
  /** No spaces. */
  readonly name: string
  isUp: boolean
  readonly room: Slot<BusRoom>
  readonly control: Slot<BusControl>
}

/** How the bus behaves. */
export interface Options {
  /** Whether the test delivers everything itself, with `deliver`; else it arrives in the next turn of the event loop. */
  readonly byHand?: boolean
}

/**
 * Connects servers of one test to one room, without sockets: a bus that loses nothing, as long as it is up.
 *
 * @example `const bus = new TestBus()`, then `TestRelay.layer({}, bus.layer("a"))` and `TestRelay.layer({}, bus.layer("b"))`
 */
export class TestBus {
  readonly #byHand: boolean
  readonly #processes = new Set<Process>()
  /** What is under way, by its sender and its receiver: in order only between two of them. */
  readonly #ways = new Map<string, Array<Delivery>>()

  /** A bus that nobody is connected to yet. */
  constructor({ byHand = false }: Options = {}) {
    this.#byHand = byHand
  }

  /** How many ways between two processes have something under way. */
  get ways(): number {
    return this.#ways.size
  }

  /** Delivers the first that is under way on one of these ways, by its number; nothing, if there is no such way. */
  deliver(way = 0): void {
    const [name, deliveries] = Array.from(this.#ways)[way] ?? []
    if (name === undefined || deliveries === undefined) return
    const delivery = deliveries.shift()!
    if (deliveries.length === 0) this.#ways.delete(name)
    delivery()
  }

  /** Delivers everything that is under way. */
  deliverAll(): void {
    while (this.#ways.size > 0) this.deliver()
  }

  /**
   * Cuts a process off, or, without a name, every one from every other. What is under way, and what is sent meanwhile, is lost.
   *
   * @param name of one process
   */
  goDown(name?: string): void {
    for (const process of this.#processes) {
      if (name !== undefined && process.name !== name) continue
      process.isUp = false
      for (const way of this.#ways.keys()) if (way.split(" ").includes(process.name)) this.#ways.delete(way)
    }
  }

  /** Ends what `goDown` has begun. */
  goUp(name?: string): void {
    const back = Array.from(this.#processes).filter(
      (process) => !process.isUp && (name === undefined || process.name === name)
    )
    for (const process of back) process.isUp = true
    for (const { control } of back) control.current?.onUp()
  }

  /** All processes find the bus slow, until told otherwise. */
  goSlow(isSlow: boolean): void {
    for (const { room } of this.#processes) {
      if (isSlow) room.current?.onSlow("test")
      else room.current?.onCaughtUp("test")
    }
  }

  /**
   * The bus, as one process has it.
   *
   * @param name what the others call it: different for each, without spaces
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
          statsUnsafe: () => ({ ...NOTHING_EXCHANGED, state: process.isUp ? "up" : "down", ...counts })
        })
      })
    )
  }

  #send(from: Process, to: string | undefined, deliver: (process: Process) => void): void {
    if (!from.isUp) return
    for (const process of this.#processes) {
      if (process === from || !process.isUp || (to !== undefined && to !== process.name)) continue
      const way = `${from.name} ${process.name}`
      const deliveries = this.#ways.get(way)
      if (deliveries !== undefined) deliveries.push(() => deliver(process))
      else this.#ways.set(way, [() => deliver(process)])
    }
    if (!this.#byHand) setImmediate(() => this.deliverAll())
  }
}
