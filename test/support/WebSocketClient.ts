import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { createHash, randomBytes } from "node:crypto"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { next, nextOf, patiently } from "./patience.ts"

/** A client that is no library: it sees every frame, and sends whatever a test wants. */
export interface WebSocketClient {
  /** `ip:port` of our side: our name in envelopes. */
  readonly address: string
  readonly socket: Net.Socket
  /** What the server answered to the handshake, up to the empty line; `101` in it is the beginning of a WebSocket. */
  readonly answer: string
  /** Sends a text message in one frame. */
  readonly send: (text: string) => void
  /** The payload of the next text frame; fails the test after a long time. */
  readonly line: Effect.Effect<string>
  readonly lines: (count: number) => Effect.Effect<Array<string>>
  /** The payload of the next pong. */
  readonly pong: Effect.Effect<string>
  /** Waits until a ping comes. */
  readonly pinged: Effect.Effect<void>
  /** Waits until the server has ended its side: the code of its close frame, and the text frames that came before and were not taken. */
  readonly closed: Effect.Effect<{ readonly code: number | "none" | undefined; readonly rest: Array<string> }>
  /** Whatever came after the answer to the handshake, if that was no WebSocket. */
  readonly body: Effect.Effect<string>
}

export interface Options {
  readonly host?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
  /** For wss. */
  readonly tls?: Tls.ConnectionOptions
  /** Sent before everything else: what a load balancer says. */
  readonly preface?: string
  /** Whether pings are answered. */
  readonly answersPings?: boolean
}

export const TEXT = 1
export const BINARY = 2
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** One frame as a client sends it: masked, unless a test wants it wrong. */
export const frame = (
  opcode: number,
  payload: string | Uint8Array,
  { fin = true, masked = true, reserved = 0 }: { fin?: boolean; masked?: boolean; reserved?: number } = {}
): Buffer => {
  const bytes = Buffer.from(payload as string)
  const first = (fin ? 0x80 : 0) | reserved | opcode
  const bit = masked ? 0x80 : 0
  const head =
    bytes.length < 126
      ? Buffer.of(first, bit | bytes.length)
      : bytes.length < 65_536
        ? Buffer.of(first, bit | 126, bytes.length >> 8, bytes.length & 255)
        : Buffer.concat([Buffer.of(first, bit | 127), Buffer.alloc(8)])
  if (head.length === 10) head.writeBigUInt64BE(BigInt(bytes.length), 2)
  if (!masked) return Buffer.concat([head, bytes])
  const mask = randomBytes(4)
  const all = Buffer.concat([head, mask, bytes])
  for (let i = 0, at = head.length + 4; at < all.length; i++, at++) all[at]! ^= mask[i & 3]!
  return all
}

/** Cuts what a server sends into frames. */
export const frames = () => {
  let chunks: Array<Uint8Array> = []
  let held = 0
  // Not joined before that many bytes are there: a long frame comes in many chunks.
  let wanted = 2
  return (chunk: Uint8Array): Array<{ readonly opcode: number; readonly payload: Buffer }> => {
    const found: Array<{ readonly opcode: number; readonly payload: Buffer }> = []
    chunks.push(chunk)
    held += chunk.length
    if (held < wanted) return found
    let rest: Buffer = Buffer.concat(chunks)
    wanted = 2
    while (rest.length >= wanted) {
      const short = rest[1]! & 0x7f
      const head = short === 126 ? 4 : short === 127 ? 10 : 2
      wanted = head
      if (rest.length < wanted) break
      const length = head === 2 ? short : head === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2))
      wanted = head + length
      if (rest.length < wanted) break
      if ((rest[0]! & 0xf0) !== 0x80 || (rest[1]! & 0x80) !== 0) throw new Error("a frame that no server may send")
      found.push({ opcode: rest[0]! & 15, payload: rest.subarray(head, wanted) })
      rest = rest.subarray(wanted)
      wanted = 2
    }
    chunks = [rest]
    held = rest.length
    return found
  }
}

/** Connects, and waits for the answer to the handshake. */
export const connect = (
  url: string,
  { answersPings = true, headers = {}, host = "127.0.0.1", method = "GET", path, preface = "", tls }: Options = {}
): Effect.Effect<WebSocketClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { pathname, port } = new URL(url)
    const lines = yield* Queue.unbounded<string>()
    const pongs = yield* Queue.unbounded<string>()
    const pings = yield* Queue.unbounded<string>()
    const ended = yield* Deferred.make<void>()
    const answered = yield* Deferred.make<string>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<Net.Socket>((resume) => {
        const options = { port: Number(port), host, allowHalfOpen: true, noDelay: true }
        const socket = tls === undefined ? Net.connect(options) : Tls.connect({ ...options, ...tls })
        socket.once(tls === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(socket)))
        socket.once("error", (error) => resume(Effect.die(error)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    const key = randomBytes(16).toString("base64")
    const cut = frames()
    let head = ""
    let body = ""
    let code: number | "none" | undefined
    const onBytes = (chunk: Uint8Array) => {
      for (const { opcode, payload } of cut(chunk)) {
        if (opcode === TEXT) Queue.offerUnsafe(lines, new TextDecoder("utf-8", { fatal: true }).decode(payload))
        else if (opcode === PONG) Queue.offerUnsafe(pongs, payload.toString())
        else if (opcode === PING) {
          Queue.offerUnsafe(pings, payload.toString())
          if (answersPings) socket.write(frame(PONG, payload))
        } else if (opcode === CLOSE) {
          code = payload.length === 0 ? "none" : payload.readUInt16BE(0)
          if (socket.writable) socket.end(frame(CLOSE, payload))
        } else throw new Error(`a frame of the kind ${opcode}`)
      }
    }
    let isWebSocket: boolean | undefined
    socket.on("data", (chunk: Buffer) => {
      if (isWebSocket === true) return onBytes(chunk)
      head += chunk.toString("latin1")
      const end = head.indexOf("\r\n\r\n")
      if (end === -1) return
      const rest = Buffer.from(head.slice(end + 4), "latin1")
      if (isWebSocket === undefined) {
        const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
        isWebSocket =
          head.startsWith("HTTP/1.1 101 ") && /\r\nSec-WebSocket-Accept: (.*)\r\n/i.exec(head)?.[1] === accept
        Deferred.doneUnsafe(answered, Exit.succeed(head.slice(0, end)))
      }
      if (isWebSocket) onBytes(rest)
      else body = rest.toString()
    })
    socket.on("error", () => {})
    const end = () => {
      Deferred.doneUnsafe(answered, Exit.succeed(head))
      Deferred.doneUnsafe(ended, Exit.void)
    }
    socket.once("end", end).once("close", end)
    const all = {
      Host: `${host}:${port}`,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": key,
      ...headers
    }
    const written = Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : [`${name}: ${value}\r\n`]))
    socket.write(`${preface}${method} ${path ?? pathname} HTTP/1.1\r\n${written.join("")}\r\n`)
    const answer = yield* patiently(Deferred.await(answered), "the answer to the handshake")
    const { localAddress, localPort } = socket
    const end_ = patiently(Deferred.await(ended), "the end of the stream")
    return {
      address: `${localAddress}:${localPort}`,
      socket,
      answer,
      send: (text) => void socket.write(frame(TEXT, text)),
      line: next(lines, "a text frame"),
      lines: (count) => nextOf(lines, count, "text frames"),
      pong: next(pongs, "a pong"),
      pinged: Effect.asVoid(next(pings, "a ping")),
      closed: Effect.andThen(
        end_,
        Effect.map(Queue.clear(lines), (rest) => ({ code, rest }))
      ),
      body: Effect.andThen(
        end_,
        Effect.sync(() => body)
      )
    }
  })
