import type * as Net from "node:net"
import type * as Tls from "node:tls"
import { getSystemErrorName } from "node:util"

/** Why a connection is lost whose TLS has no orderly end (RFC 8446, section 6.1): anybody on the way can end TCP. */
export const CUT_OFF = "ended without TLS close_notify"

const cutOff = new WeakSet<Net.Socket>()

export const isCutOff = (socket: Net.Socket): boolean => cutOff.has(socket)

/**
 * Notes whether the bytes of a TLS connection end with a close_notify. Node reports both ends alike, and offers no other way to tell: TLS
 * over a stream in JavaScript, which would see the end of TCP, makes each write cost 2.2 times as much (docs/decisions.md).
 */
export const watch = (socket: Tls.TLSSocket): void => {
  socket.push = push
}

/** Module level, because it stays on the socket and must not retain a closure. */
function push(this: Tls.TLSSocket, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !isCloseNotify(this as Internals)) cutOff.add(this)
  return (Object.getPrototypeOf(this) as Tls.TLSSocket).push.call(this, chunk, encoding)
}

/** The parts of a `TLSSocket` that are not documented. Without them every end counts as cut off. */
interface Internals {
  readonly _handle?: {
    /** Whether TLS wants to read. */
    readonly reading?: boolean
    /** The handle of the TCP socket. */
    readonly _parent?: { readonly readStart?: () => number }
  } | null
}

/**
 * Whether the end that is being reported is a close_notify. libuv has stopped reading when it reports the end of TCP, and goes on reading
 * after the bytes of a close_notify, unless TLS had it stop.
 */
const isCloseNotify = ({ _handle: tls }: Internals): boolean => {
  if (tls?.reading === false) return true
  const result = tls?._parent?.readStart?.()
  return result !== undefined && result < 0 && getSystemErrorName(result) === "EALREADY"
}
