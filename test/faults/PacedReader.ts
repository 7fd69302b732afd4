/** A client that reads so many bytes a second, and no more: the kernel's buffers fill up behind it. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as WebSocketClient from "../support/WebSocketClient.ts"

export interface PacedReader {
  /** The numbers of the lines that have arrived. */
  readonly numbers: ReadonlyArray<number>
  /** What the server itself said. */
  readonly notices: ReadonlyArray<string>
  readonly ended: () => boolean
  readonly port: number
  /** Reads nothing from now on, until it is given a pace. */
  readonly hold: () => void
  /** Reads no faster from now on, nor slower if there is something to read. */
  readonly pace: (bytesPerSecond: number) => void
  readonly say: (line: string) => void
  /** Waits until something is true of it, or its connection has ended. */
  readonly until: (condition: () => boolean) => Effect.Effect<void>
}

const LINE_FEED = 10
/** What is kept of a line: more than its number takes. */
const HEAD_BYTES = 200
/** A numbered line within its envelope. */
const NUMBER = /"content":"\{\\"n\\":(\d+)/

/** A numbered line: a JSON object, of which `log_keys: []` logs nothing. */
export const lineOf = (number: number, bytes: number): string => {
  const head = `{"n":${number},"filling":"`
  return `${head.padEnd(bytes - 2, "x")}"}`
}

/** A reader on a socket that is connected. */
const make = (socket: Net.Socket, isWebSocket: boolean): PacedReader => {
  const numbers: Array<number> = []
  const notices: Array<string> = []
  const watchers = new Set<() => void>()
  let ended = false
  const changed = () => {
    for (const watcher of watchers) watcher()
  }
  const onLine = (line: string) => {
    if (!line.startsWith("{")) return void notices.push(line)
    const match = NUMBER.exec(line)
    if (match !== null) numbers.push(Number(match[1]))
  }
  let head = ""
  const onPart = (part: Buffer) => {
    if (head.length < HEAD_BYTES) head += part.toString("latin1", 0, HEAD_BYTES)
  }
  const onLines = (chunk: Buffer) => {
    let from = 0
    for (let end; (end = chunk.indexOf(LINE_FEED, from)) !== -1; from = end + 1) {
      onPart(chunk.subarray(from, end))
      onLine(head)
      head = ""
    }
    onPart(chunk.subarray(from))
  }
  const cut = WebSocketClient.frames()
  const onFrames = (chunk: Buffer) => {
    for (const { opcode, payload } of cut(chunk)) {
      if (opcode === WebSocketClient.TEXT) onLine(payload.toString("latin1", 0, HEAD_BYTES))
    }
  }
  let bytesPerSecond = Infinity
  let since = 0
  let bytes = 0
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (isWebSocket) onFrames(chunk)
    else onLines(chunk)
    changed()
    const aheadMillis = (bytes / bytesPerSecond) * 1000 - (performance.now() - since)
    if (aheadMillis < 5) return
    socket.pause()
    setTimeout(() => socket.resume(), aheadMillis)
  })
  const end = () => {
    ended = true
    changed()
  }
  socket
    .on("error", () => {})
    .once("end", end)
    .once("close", end)
  return {
    numbers,
    notices,
    ended: () => ended,
    port: socket.localPort!,
    hold: () => void socket.pause(),
    pace: (rate) => {
      bytesPerSecond = rate
      since = performance.now()
      bytes = 0
      socket.resume()
    },
    say: (line) =>
      void socket.write(isWebSocket ? WebSocketClient.frame(WebSocketClient.TEXT, line) : Buffer.from(`${line}\n`)),
    until: (condition) =>
      Effect.callback((resume) => {
        const isSettled = () => {
          if (!condition() && !ended) return
          watchers.delete(isSettled)
          resume(Effect.void)
        }
        watchers.add(isSettled)
        isSettled()
        return Effect.sync(() => watchers.delete(isSettled))
      })
  }
}

/** Connects over TCP, or TLS. */
export const connect = (port: number, tls?: Tls.ConnectionOptions) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Net.Socket>((resume) => {
        const options = { port, host: "127.0.0.1", noDelay: true }
        const socket = tls === undefined ? Net.connect(options) : Tls.connect({ ...options, ...tls })
        socket.once(tls === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(socket)))
        socket.once("error", (error) => resume(Effect.die(error)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket) => make(socket, false)
  )

/** Connects over WebSocket, with TLS or without. */
export const connectWebSocket = (port: number, tls?: Tls.ConnectionOptions) =>
  Effect.map(WebSocketClient.connect(`ws://127.0.0.1:${port}/`, tls && { tls }), ({ socket }) => {
    socket.removeAllListeners("data")
    return make(socket, true)
  })
