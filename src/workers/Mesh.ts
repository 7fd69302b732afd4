import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Net from "node:net"
import { basename, join } from "node:path"
import * as Frame from "../bus/Frame.ts"
import { repeatEvery } from "../internal/repeatEvery.ts"
import { BusError } from "../room/Bus.ts"
import type { Chunk } from "../room/Outbox.ts"
import * as Frames from "./Frames.ts"
import { Link, type LinkLimits } from "./Link.ts"
import type { Roll } from "./Roll.ts"

/** How long a worker waits for those that are there already when it starts, in milliseconds: one of them may be stuck. */
const START_MILLIS = 3000

/** How long it waits when it ends for what others have not taken, in milliseconds. */
const END_MILLIS = 3000

/** A worker that has no link to another one for so long says so, in milliseconds; until then it has just come, or gone. */
const MISSING_MILLIS = 3000

/** How long a stranger may take to say who it is, in milliseconds. */
const HELLO_MILLIS = 3000

const HIGH_WATER_MARK = 64 * 1024

/** More workers than any machine has cores. */
const MAX_LINKS = 4096

/** What becomes known of other workers. */
export interface MeshEvents {
  readonly onUp?: (id: number) => void
  readonly onDown?: (id: number) => void
  readonly onBatch?: (batch: Chunk) => void
  readonly onTold?: (kind: number, content: string, from: number) => void
  /** Some worker does not keep up; none is behind any more. */
  readonly onSlow?: () => void
  readonly onCaughtUp?: (id: number) => void
}

export interface Options {
  readonly id: number
  /** Where the sockets of all workers are. */
  readonly directory: string
  /** Only who knows it is a worker of this server. */
  readonly secret: string
  readonly limits: LinkLimits
  /** Tells the primary that this worker can be dialled. */
  readonly announce: Effect.Effect<void>
  /** Which workers can be. */
  readonly others: Roll
}

const pathOf = (directory: string, id: number): string =>
  process.platform === "win32" ? `\\\\.\\pipe\\${basename(directory)}-${id}` : join(directory, `${id}.sock`)

/**
 * The workers of one server, each connected to each by a stream socket of the machine. Whoever has come later dials those that are there, so
 * that there is one connection between two, and dials again as long as there is none.
 */
export class Mesh extends Context.Service<
  Mesh,
  {
    readonly id: number
    /** The other workers. */
    readonly linksUnsafe: () => Iterable<Link>
    /** Sends a batch to all of them. */
    readonly publishUnsafe: (parts: ReadonlyArray<Chunk>) => void
    /**
     * Tells one of them something, or all.
     *
     * @returns those that are stuck and did not get it
     */
    readonly tellUnsafe: (kind: number, content: string, to?: number) => ReadonlyArray<number>
    /** What others have sent so far has reached the clients here. */
    readonly grantUnsafe: () => void
    /** Whether some worker does not keep up. */
    readonly isSlowUnsafe: () => boolean
    /** Workers that are there, and that there has been no way to for some time. */
    readonly missingUnsafe: () => ReadonlyArray<number>
    readonly statsUnsafe: () => {
      readonly batchesOut: number
      readonly bytesOut: number
      readonly bytesWaiting: number
      readonly dropped: number
      readonly lost: number
      readonly malformed: number
    }
    /** Calls these from now on. */
    readonly observeUnsafe: (events: MeshEvents) => void
  }
>()("summoner-server/Mesh") {
  /** Connected to all workers that are there. Fails with `BusError`. */
  static readonly layer = ({ announce, directory, id, limits, others, secret }: Options): Layer.Layer<Mesh, BusError> =>
    Layer.effect(
      Mesh,
      Effect.gen(function* () {
        const links = new Map<number, Link>()
        const observers: Array<MeshEvents> = []
        const counts = { batchesOut: 0, bytesOut: 0, lost: 0, malformed: 0, dropped: 0 }
        /** Numbers of the last batches of those that have been linked. */
        const sequences = new Map<number, number>()
        /** Since when there is no way to a worker, in milliseconds. */
        const missing = new Map<number, number>()
        const dialling = new Set<number>()
        const complete = Deferred.makeUnsafe<void>()
        let sequence = 0
        let isClosing = false
        const tell = <K extends keyof MeshEvents>(event: K, ...args: Parameters<NonNullable<MeshEvents[K]>>) => {
          for (const observer of observers)
            (observer[event] as ((...args: Array<unknown>) => void) | undefined)?.(...args)
        }
        const isSlow = () => {
          for (const link of links.values()) if (link.isSlow) return true
          return false
        }
        const events = {
          onBatch: (batch: Chunk) => tell("onBatch", batch),
          onLost: (batches: number) => void (counts.lost += batches),
          onMalformed: () => void counts.malformed++,
          onTold: (kind: number, content: string, link: Link) => tell("onTold", kind, content, link.id),
          onSlow: () => tell("onSlow"),
          onCaughtUp: (link: Link) => tell("onCaughtUp", link.id)
        }

        const take = (link: Link) => {
          const { id, sequence } = link
          // The other one has noticed the end of the last link first.
          const before = links.get(id)
          if (before !== undefined) forget(before)
          dialling.delete(id)
          counts.lost += Math.max(0, sequence - (sequences.get(id) ?? sequence))
          links.set(id, link)
          tell("onUp", id)
          look()
        }

        const forget = (link: Link) => {
          links.delete(link.id)
          link.close()
          sequences.set(link.id, link.sequence)
          counts.dropped += link.dropped
          if (link.isSlow) tell("onCaughtUp", link.id)
          tell("onDown", link.id)
        }

        /** Sees to it that there is a link to everybody. */
        const look = () => {
          if (others.ids === undefined || isClosing) return
          const now = performance.now()
          const present = new Set(others.ids.filter((other) => other !== id))
          for (const known of [missing, sequences]) {
            for (const other of known.keys()) if (!present.has(other)) known.delete(other)
          }
          let isComplete = true
          for (const other of present) {
            if (links.has(other)) {
              missing.delete(other)
              continue
            }
            if (!missing.has(other)) missing.set(other, now)
            if (other > id) continue
            isComplete = false
            dial(other)
          }
          if (isComplete) Deferred.doneUnsafe(complete, Exit.void)
        }

        const dial = (other: number) => {
          if (dialling.has(other)) return
          dialling.add(other)
          const socket = Net.connect({
            path: pathOf(directory, other),
            highWaterMark: HIGH_WATER_MARK
          } as Net.NetConnectOpts)
          socket
            .once("error", () => {})
            .once("close", () => dialling.delete(other))
            .once("connect", () => meet(socket, true))
        }

        /** What is published from here on comes over the link. */
        const greet = (socket: Net.Socket) => socket.write(Frames.encode(Frames.HELLO, `${secret} ${id}`, sequence))

        /** Both sides say who they are, first the one that dials; from then on it is a link. */
        const meet = (socket: Net.Socket, isDialled: boolean) => {
          let link: Link | undefined
          const refuse = () => {
            counts.malformed++
            socket.destroy()
          }
          // One that is dialled and stuck is dialled again.
          const patience = setTimeout(isDialled ? () => socket.destroy() : refuse, HELLO_MILLIS)
          const reader = new Frames.FrameReader((frame) => {
            if (link !== undefined) return link.take(frame)
            const [name, other] = frame.content.toString().split(" ")
            const isNamed = Number.isSafeInteger(Number(other))
            if (frame.kind !== Frames.HELLO || name !== secret || !isNamed || isClosing) return refuse()
            clearTimeout(patience)
            if (!isDialled) greet(socket)
            link = new Link(Number(other), frame.sequence, socket, limits, events)
            take(link)
          })
          socket
            .on("data", (chunk: Buffer) => {
              if (!reader.push(chunk)) refuse()
            })
            .on("error", () => {})
            .on("close", () => {
              clearTimeout(patience)
              if (link === undefined || links.get(link.id) !== link) return
              forget(link)
              look()
            })
          if (isDialled) greet(socket)
        }

        const server = yield* Effect.acquireRelease(
          Effect.callback<Net.Server, BusError>((resume) => {
            const server = Net.createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => meet(socket, false))
            const path = pathOf(directory, id)
            server.once("error", (error: NodeJS.ErrnoException) =>
              resume(
                Effect.fail(new BusError({ detail: `cannot listen on ${path} for the other workers: ${error.code}` }))
              )
            )
            server.listen(path, () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        server.on("error", () => {}).maxConnections = MAX_LINKS

        const close = Effect.gen(function* () {
          isClosing = true
          yield* Effect.forEach(
            Array.from(links.values()),
            (link) => Effect.callback<void>((resume) => link.drain(() => resume(Effect.void))),
            { concurrency: "unbounded", discard: true }
          ).pipe(Effect.timeoutOption(END_MILLIS))
          for (const link of links.values()) link.close()
        })
        yield* Effect.addFinalizer(() => close)

        others.follow(look)
        yield* repeatEvery(() => 1, Effect.sync(look)).pipe(
          Effect.tapCause((cause) => Effect.logError("workers: nobody looks for the others any more", cause)),
          Effect.forkScoped
        )
        yield* announce
        yield* Effect.timeoutOption(Deferred.await(complete), START_MILLIS)

        return Mesh.of({
          id,
          linksUnsafe: () => links.values(),
          publishUnsafe: (parts) => {
            sequence++
            const { bytes, lines } = Frame.sizeOf(parts)
            counts.batchesOut++
            counts.bytesOut += bytes
            if (links.size === 0) return
            const framed = Frames.encodeBatch(parts, bytes, lines, sequence)
            const batch = { sequence, parts: framed, bytes, lines, end: counts.bytesOut }
            for (const link of links.values()) link.send(batch)
          },
          tellUnsafe: (kind, content, to) => {
            const frame = Frames.encode(kind, content)
            const stuck: Array<number> = []
            for (const link of links.values()) {
              if ((to === undefined || to === link.id) && !link.tell(frame)) stuck.push(link.id)
            }
            return stuck
          },
          grantUnsafe: () => {
            for (const link of links.values()) link.grant()
          },
          isSlowUnsafe: isSlow,
          missingUnsafe: () => {
            const since = performance.now() - MISSING_MILLIS
            return Array.from(missing).flatMap(([other, at]) => (at <= since ? other : []))
          },
          statsUnsafe: () => {
            let bytesWaiting = 0
            let { dropped } = counts
            for (const link of links.values()) {
              bytesWaiting += link.waitingBytes
              dropped += link.dropped
            }
            return { ...counts, dropped, bytesWaiting }
          },
          observeUnsafe: (observer) => void observers.push(observer)
        })
      })
    )
}
