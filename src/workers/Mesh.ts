import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Net from "node:net"
import { basename, join } from "node:path"
import * as Frame from "../bus/Frame.ts"
import { BusError } from "../relay/Bus.ts"
import type { Parcel } from "../relay/Outbox.ts"
import * as Frames from "./Frames.ts"
import { Link, type LinkLimits } from "./Link.ts"

/** How long a worker waits for those that are there already, in milliseconds: one of them may be stuck. */
const DIAL_MILLIS = 3000

/** How long a stranger may take to say who it is, in milliseconds. */
const HELLO_MILLIS = 3000

const HIGH_WATER_MARK = 64 * 1024

/** More workers than any machine has cores. */
const MAX_LINKS = 4096

/** What becomes known of other workers. */
export interface MeshEvents {
  readonly onUp?: (id: number) => void
  readonly onDown?: (id: number) => void
  readonly onBatch?: (batch: Parcel) => void
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
  /** Tells the primary that this worker can be dialled; who is to be dialled comes back. */
  readonly announce: Effect.Effect<ReadonlyArray<number>>
}

const pathOf = (directory: string, id: number): string =>
  process.platform === "win32" ? `\\\\.\\pipe\\${basename(directory)}-${id}` : join(directory, `${id}.sock`)

/**
 * The workers of one server, each connected to each by a stream socket of the machine. Whoever comes later dials those that are there, so
 * that there is one connection between two.
 */
export class Mesh extends Context.Service<
  Mesh,
  {
    readonly id: number
    /** The other workers. */
    readonly linksUnsafe: () => Iterable<Link>
    /** Sends a batch to all of them. */
    readonly publishUnsafe: (parts: ReadonlyArray<Parcel>) => void
    /**
     * Tells one of them something, or all.
     *
     * @returns those that are stuck and did not get it
     */
    readonly tellUnsafe: (kind: number, content: string, to?: number) => ReadonlyArray<number>
    /** Whether some worker does not keep up. */
    readonly isSlowUnsafe: () => boolean
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
  static readonly layer = ({ announce, directory, id, limits, secret }: Options): Layer.Layer<Mesh, BusError> =>
    Layer.effect(
      Mesh,
      Effect.gen(function* () {
        const links = new Map<number, Link>()
        const observers: Array<MeshEvents> = []
        const counts = { batchesOut: 0, bytesOut: 0, lost: 0, malformed: 0, dropped: 0 }
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
          onBatch: (batch: Parcel) => tell("onBatch", batch),
          onLost: (batches: number) => void (counts.lost += batches),
          onTold: (kind: number, content: string, link: Link) => tell("onTold", kind, content, link.id),
          onSlow: () => tell("onSlow"),
          onCaughtUp: (link: Link) => tell("onCaughtUp", link.id)
        }

        /** What is published from here on comes over the link. */
        const greet = (socket: Net.Socket) => socket.write(Frames.encode(Frames.HELLO, `${secret} ${id}`, sequence))

        /** Both sides say who they are, first the one that dials; from then on it is a link. */
        const meet = (socket: Net.Socket, dialled?: () => void) => {
          let link: Link | undefined
          const refuse = () => {
            counts.malformed++
            socket.destroy()
          }
          const patience = setTimeout(refuse, HELLO_MILLIS)
          const reader = new Frames.FrameReader((frame) => {
            if (link !== undefined) return link.take(frame)
            const [name, other] = frame.content.toString().split(" ")
            if (frame.kind !== Frames.HELLO || name !== secret || isClosing) return refuse()
            clearTimeout(patience)
            if (dialled === undefined) greet(socket)
            link = new Link(Number(other), frame.sequence, socket, limits, events)
            links.set(link.id, link)
            tell("onUp", link.id)
            dialled?.()
          })
          socket
            .on("data", (chunk: Buffer) => {
              if (!reader.push(chunk)) refuse()
            })
            .on("error", () => {})
            .on("close", () => {
              clearTimeout(patience)
              if (link !== undefined && links.get(link.id) === link) {
                links.delete(link.id)
                counts.dropped += link.dropped
                if (link.isSlow) tell("onCaughtUp", link.id)
                tell("onDown", link.id)
              }
              dialled?.()
            })
          if (dialled !== undefined) greet(socket)
        }

        const server = yield* Effect.acquireRelease(
          Effect.callback<Net.Server, BusError>((resume) => {
            const server = Net.createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => meet(socket))
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

        const dial = (other: number) =>
          Effect.callback<void>((resume) => {
            const socket = Net.connect({
              path: pathOf(directory, other),
              highWaterMark: HIGH_WATER_MARK
            } as Net.NetConnectOpts)
            const met = () => resume(Effect.void)
            socket.once("error", met).once("connect", () => meet(socket, met))
          })
        const close = Effect.gen(function* () {
          isClosing = true
          yield* Effect.forEach(
            Array.from(links.values()),
            (link) => Effect.callback<void>((resume) => link.drain(() => resume(Effect.void))),
            { concurrency: "unbounded", discard: true }
          ).pipe(Effect.timeoutOption(DIAL_MILLIS))
          for (const link of links.values()) link.close()
        })
        yield* Effect.addFinalizer(() => close)

        const others = yield* announce
        yield* Effect.forEach(others, dial, { concurrency: "unbounded", discard: true }).pipe(
          Effect.timeoutOption(DIAL_MILLIS)
        )

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
          isSlowUnsafe: isSlow,
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
