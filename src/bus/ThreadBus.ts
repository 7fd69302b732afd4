/**
 * The room of the threads of one process, in shared memory (docs/scaling.md#all-cores-of-one-machine).
 *
 * The main thread allocates it with `share`. Each relay thread gets it in its `workerData`, with ports to the others, and makes a `layer` of
 * both. When a thread has ended, the main thread calls `detach` before another takes its place.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import { Slot } from "../internal/Slot.ts"
import { BatchMemory } from "../room/BatchMemory.ts"
import { Bus, type BusRoom, type BusStats, MAX_MESSAGE_BYTES } from "../room/Bus.ts"
import { sizeOf } from "./Frame.ts"
import * as SharedRing from "./SharedRing.ts"
import * as Signals from "./ThreadSignals.ts"

/** What a thread may be behind another, at least, in bytes; less, if `hard_limit_bytes` is. */
const RING_BYTES = 16 * 1024 * 1024

/** Batches are read from others up to so many bytes a turn of the event loop, so that sockets get theirs. */
const DRAIN_BYTES = 256 * 1024

/** What a batch costs beside its bytes. */
const BATCH_BYTES = 1024

/** How often others are told that senders should still hold, and how often this is looked at, in milliseconds. */
const HOLD_MILLIS = 25

/** Time between two log lines about what was dropped, in milliseconds. */
const REPORT_MILLIS = 5000

/** The shared memory of the threads of one room: can be cloned to other threads, and holds neither ports nor handles. */
export interface SharedRoom {
  /** Of each thread, by its index, the ring that it alone writes to. */
  readonly rings: ReadonlyArray<SharedArrayBuffer>
  readonly signals: Signals.SharedSignals
}

/**
 * Allocates the shared memory of a room. Pages that no backlog has needed yet take no memory.
 *
 * @param threads how many there are; their indexes are from 0 up
 * @param maxLineBytes `max_line_bytes`: the longest envelope, in bytes
 */
export const share = (threads: number, maxLineBytes: number): SharedRoom => {
  // A batch is at most a line and 128 KiB, and half of a ring.
  const capacityBytes = Math.max(RING_BYTES, 2 ** Math.ceil(Math.log2(4 * maxLineBytes)))
  return {
    rings: Array.from({ length: threads }, () => SharedRing.allocate(threads, capacityBytes)),
    signals: Signals.allocate(threads)
  }
}

/**
 * Takes a thread that has ended out of the room: the others no longer keep anything for it, nor wait for it. What it has published still
 * reaches them. Called by any thread, again without effect; not while the thread runs.
 *
 * @param wakePorts of the thread that calls: the one that has ended may have marked another as awake, and ended before it sent the message
 */
export const detach = (
  { rings, signals }: SharedRoom,
  index: number,
  wakePorts: Signals.WakeMesh | Signals.WakePorts
): void => {
  for (const ring of rings) SharedRing.detach(ring, index)
  Signals.reset(signals, index)
  wakePorts.wakeAll()
}

/** Waits until a thread has handed its room what the others had published before now. At once where it has not joined, or has left. */
export const caughtUp = ({ rings }: SharedRoom, index: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const readers = rings.flatMap((ring, other) =>
      other === index ? [] : new SharedRing.RingReader(ring, rings.length, index).writtenSoFar()
    )
    return Effect.yieldNow.pipe(Effect.repeat({ until: () => readers.every((isRead) => isRead()) }), Effect.asVoid)
  })

/** Another thread. */
interface Peer {
  readonly index: number
  /** What senders wait for. */
  readonly name: string
  readonly reader: SharedRing.RingReader
  /** More than the soft limit waits for it. */
  isBehind: boolean
  /** How often it had said, when this was last looked at, that senders should hold. */
  holds: number
  /** Senders here were told to wait for it, for either reason. */
  isSlow: boolean
  /** What it has lost, in all and since that was last logged. */
  dropped: number
  newlyDropped: number
  newlyDroppedBytes: number
}

/**
 * The bus of one relay thread: in the room from when it joins to the end of the scope. A thread that takes the place of another gets what
 * is published after it has joined.
 *
 * A thread that does not keep up is treated as a client that does not: senders wait for it for the stall grace, and at the hard limit it
 * loses its oldest batches.
 *
 * @param index of this thread; at any time at most one thread has it
 * @param wakePorts of this thread; they close with the scope
 */
export const layer = (
  shared: SharedRoom,
  index: number,
  wakePorts: Signals.WakePorts
): Layer.Layer<Bus, never, ServerConfig> =>
  Layer.effect(
    Bus,
    Effect.gen(function* () {
      const { slow_consumer } = (yield* ServerConfig).hyper_parameters
      const { rings } = shared
      const threads = rings.length
      const room = new Slot<BusRoom>()
      const counts = { batchesOut: 0, bytesOut: 0, batchesIn: 0, bytesIn: 0 }

      const memory = new BatchMemory()
      const peers = rings.flatMap((ring, other): ReadonlyArray<Peer> => {
        if (other === index) return []
        const reader = new SharedRing.RingReader(ring, threads, index)
        const nothing = { dropped: 0, newlyDropped: 0, newlyDroppedBytes: 0 }
        return [{ index: other, name: `thread ${other}`, reader, isBehind: false, holds: 0, isSlow: false, ...nothing }]
      })
      const writer = new SharedRing.RingWriter(rings[index]!, threads, (reader, bytes) => {
        const peer = peers.find((peer) => peer.index === reader)!
        peer.dropped++
        peer.newlyDropped++
        peer.newlyDroppedBytes += bytes
      })

      /** Whether this thread is to drain what others have written in this turn or the next one; if not, it sleeps. */
      let isAwake = false
      let next = 0
      const drain = () => {
        if (room.current === undefined) return
        // What was read in the turn before is with the clients now.
        holdOthers()
        const read = new Set<Peer>()
        let left = DRAIN_BYTES
        for (let empty = 0; empty < peers.length && left > 0;) {
          const peer = peers[next]!
          next = (next + 1) % peers.length
          const batch = peer.reader.read(memory)
          if (batch === undefined) {
            empty++
            continue
          }
          empty = 0
          left -= batch.bytes.length + BATCH_BYTES
          counts.batchesIn++
          counts.bytesIn += batch.bytes.length
          read.add(peer)
          room.current.onBatch(batch, () => memory.release(batch.bytes))
        }
        for (const peer of read) if (signals.awaits(peer.index)) signals.wake(peer.index)
        if (read.size > 0) setImmediate(drain)
        else sleep()
      }
      const sleep = () => {
        signals.sleep()
        isAwake = peers.some(({ reader }) => reader.hasUnread)
        if (isAwake) {
          signals.awake()
          setImmediate(drain)
        }
        checkAwaited()
      }
      const signals = new Signals.ThreadSignals(shared.signals, index, wakePorts, () => {
        if (isAwake) return
        isAwake = true
        drain()
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => signals.close()))

      /** Senders elsewhere wait for clients here, as those here do. */
      let holding: NodeJS.Timeout | undefined
      const holdOthers = () => {
        if (holding !== undefined || room.current?.hasSlowClients() !== true) return
        signals.hold()
        holding = setInterval(() => signals.hold(), HOLD_MILLIS).unref()
        room.current.onceClientsCaughtUp(release)
      }
      const release = () => {
        clearInterval(holding)
        holding = undefined
        signals.release()
        for (const peer of peers) if (signals.awaits(peer.index)) signals.wake(peer.index)
        holdOthers()
      }

      /** Looks at those that senders here wait for, which may end without a word. */
      let awaiting: NodeJS.Timeout | undefined
      const setAwaiting = (isAwaiting: boolean) => {
        if (isAwaiting === (awaiting !== undefined)) return
        signals.isAwaiting = isAwaiting
        clearInterval(awaiting)
        awaiting = isAwaiting ? setInterval(checkAwaited, HOLD_MILLIS).unref() : undefined
      }
      const checkAwaited = () => {
        if (awaiting === undefined) return
        for (const peer of peers) {
          if (checkSlow(peer) || !peer.isSlow) continue
          peer.isSlow = false
          room.current?.onCaughtUp(peer.name)
        }
        setAwaiting(peers.some(({ isSlow }) => isSlow))
      }
      /** Makes senders wait for another thread, if they should. Returns whether it is slow. */
      const checkSlow = (peer: Peer): boolean => {
        const { holds, isBehind } = peer
        peer.holds = signals.holdsOf(peer.index)
        peer.isBehind = writer.unreadBytes(peer.index) > slow_consumer.soft_limit_bytes / (isBehind ? 2 : 1)
        if ((peer.isBehind && !isBehind) || (peer.holds !== 0 && peer.holds !== holds)) {
          peer.isSlow = true
          room.current?.onSlow(peer.name)
          setAwaiting(true)
        }
        return peer.isBehind || peer.holds !== 0
      }

      const report = Effect.suspend(() =>
        Effect.forEach(
          peers.filter(({ newlyDropped }) => newlyDropped > 0),
          (peer) => {
            const { name, newlyDropped, newlyDroppedBytes } = peer
            peer.newlyDropped = 0
            peer.newlyDroppedBytes = 0
            return Effect.logWarning(
              `threads: ${newlyDropped} batches of thread ${index} for ${name} were dropped (${newlyDroppedBytes} bytes): it is too far behind`
            )
          },
          { discard: true }
        )
      )
      yield* Effect.addFinalizer(() => report)
      yield* background(
        "threads: what is dropped is no longer logged",
        Effect.forever(Effect.delay(report, REPORT_MILLIS))
      )

      const join = Effect.sync(() => {
        Signals.reset(shared.signals, index)
        for (const { reader } of peers) reader.join()
        sleep()
      })
      const leave = Effect.sync(() => {
        clearInterval(holding)
        holding = undefined
        setAwaiting(false)
        for (const peer of peers) peer.isSlow = false
        detach(shared, index, wakePorts)
      })

      return Bus.of({
        // In one process nothing has to be told: the main thread asks the others, and limits are in shared memory.
        self: undefined,
        tellUnsafe: () => {},
        maxMessageBytesUnsafe: () => MAX_MESSAGE_BYTES,
        listen: () => Effect.void,
        joinRoom: (joined) =>
          Effect.andThen(
            room.hold(joined),
            Effect.acquireRelease(join, () => leave)
          ),
        publishUnsafe: (parts) => {
          const { bytes, lines } = sizeOf(parts)
          counts.batchesOut++
          counts.bytesOut += bytes
          writer.write(parts, bytes, lines, slow_consumer.hard_limit_bytes)
          for (const peer of peers) {
            signals.wake(peer.index)
            checkSlow(peer)
          }
        },
        stats: Effect.sync((): BusStats => ({
          ...counts,
          state: "up",
          bytesWaiting: Math.max(0, ...peers.map((peer) => writer.unreadBytes(peer.index))),
          dropped: peers.reduce((sum, { dropped }) => sum + dropped, 0),
          lost: peers.reduce((sum, { reader }) => sum + reader.dropped, 0),
          duplicates: 0,
          malformed: 0,
          reconnects: 0
        }))
      })
    })
  )
