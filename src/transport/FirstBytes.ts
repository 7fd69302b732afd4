import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import { GONE, type PeerGone } from "./Refusal.ts"

/**
 * Whether a socket has ended, of which later listeners are not told. Node reads ahead even while a socket is paused, so it may end before
 * its reader listens.
 */
export const hasEnded = (socket: Net.Socket): boolean => socket.readableEnded || socket.destroyed

/** What the first bytes of a connection mean, and how many of them nobody else needs to see. */
export interface Finding<A> {
  readonly value: A
  readonly consumed: number
}

/**
 * Reads the first bytes of a connection until they mean something, and gives the others back: whoever reads the socket next
 * begins with them. At most one chunk more than `decide` needs is read.
 *
 * @param socket paused; it is paused afterwards as well
 * @param decide gets all bytes so far; `undefined`: it needs more
 * @returns fails with `PeerGone` if the connection has ended before
 */
export const read = <A>(
  socket: Net.Socket,
  decide: (bytes: Buffer) => Finding<A> | undefined
): Effect.Effect<A, PeerGone> =>
  Effect.callback((resume) => {
    if (hasEnded(socket)) return resume(GONE)
    let bytes: Buffer = Buffer.alloc(0)
    const leave = () => socket.off("data", onData).off("end", onEnd).off("close", onEnd).pause()
    const onData = (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      const finding = decide(bytes)
      if (finding === undefined) return
      leave()
      if (finding.consumed < bytes.length) socket.unshift(bytes.subarray(finding.consumed))
      resume(Effect.succeed(finding.value))
    }
    const onEnd = () => {
      leave()
      resume(GONE)
    }
    socket.on("data", onData).once("end", onEnd).once("close", onEnd).resume()
    return Effect.sync(leave)
  })
