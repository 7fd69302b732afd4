import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import { escapeText } from "../internal/escape.ts"
import * as Notice from "../protocol/Notice.ts"
import { TcpConnection } from "../transport/TcpConnection.ts"
import { CannotConnect, Disconnected, reason, type StreamFailed } from "./ConnectError.ts"
import * as IncomingLines from "./IncomingLines.ts"
import type { Input } from "./Input.ts"
import { LineResume } from "./LineResume.ts"
import type { Renderer } from "./Rendering.ts"
import type { StandardOutput } from "./StandardOutput.ts"
import * as Target from "./Target.ts"

/** Shared by all connections of one run of `connect`. */
export interface Options {
  readonly target: Target.Target
  readonly input: Input
  readonly output: StandardOutput
  readonly render: Renderer
  /** Whether to keep receiving after the end of the input. */
  readonly listen: boolean
  /** Whether to reconnect after a regular shutdown of the server. */
  readonly retry: boolean
  readonly onConnected: Effect.Effect<void>
  readonly onDisconnected: Effect.Effect<void>
}

const CONNECT_TIMEOUT = Duration.seconds(10)

/** Without traffic, only TCP keep-alive detects that the server is gone. */
const KEEP_ALIVE_MILLIS = 30_000

/** The last line of a server that shuts down. */
const SHUTDOWN_NOTICES = new Set([Notice.SHUTTING_DOWN, Notice.SERVER_DISCONNECTED].map((line) => line.trimEnd()))

/** The first line of the WebSocket or the admin port. */
const HTTP = /^HTTP\/1\.[01] /

/** The last line of a server that disconnects or refuses this client, and may not have relayed its lines. */
const REFUSAL = /^Warning: (?:You have been disconnected|You are quarantined|Server is full)/

/**
 * Connects, sends and receives until the connection ends. It may run again: no input is sent twice, and the rest of a line that began
 * on the previous connection is skipped.
 *
 * Succeeds when all was sent and the server has closed without refusing the client, or, unless `retry`, when the server has shut down.
 */
export const make = (options: Options): Effect.Effect<void, CannotConnect | Disconnected | StreamFailed> => {
  const { input, listen, output, retry, target } = options
  const address = Target.format(target)
  const lines = new LineResume()

  const send = Effect.fnUntraced(function* (socket: Net.Socket, connection: TcpConnection) {
    if (lines.restart()) yield* output.status("the line being sent was cut off: the rest of it is skipped")
    while (!input.isEndedUnsafe()) {
      const bytes = input.takeUnsafe()
      if (bytes === undefined) yield* input.ready
      else if (!connection.writeUnsafe(lines.next(bytes))) yield* writable(connection)
    }
    // Not `connection.endUnsafe`, which discards what the server still sends.
    if (!listen) socket.end()
    else if (lines.isInside) connection.writeUnsafe(lines.next(Buffer.from("\n")))
    return yield* Effect.never
  })

  const receive = Effect.fnUntraced(function* (connection: TcpConnection) {
    const incoming = new IncomingLines.IncomingLines()
    let isHttp: boolean | undefined
    let last = ""
    const show = Effect.fnUntraced(function* (lines: ReadonlyArray<IncomingLines.Line>) {
      if (lines.length === 0) return
      isHttp ??= HTTP.test(IncomingLines.text(lines[0]!))
      last = IncomingLines.text(lines.at(-1)!)
      yield* output.write(Buffer.concat(lines.map((line) => toBytes(options.render(line)))))
      for (const { isCut } of lines) {
        if (isCut) yield* output.status(`a line of more than ${IncomingLines.MAX_LINE_BYTES} bytes is cut`)
      }
    })
    const pull = Effect.tapError(connection.pull, () => show(incoming.end()))
    for (let chunk = yield* pull; chunk !== undefined; chunk = yield* pull) {
      yield* show(incoming.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)))
    }
    yield* show(incoming.end())
    return { last, isHttp: isHttp === true }
  })

  return Effect.gen(function* () {
    const { connection, socket } = yield* open(target)
    yield* Effect.acquireRelease(options.onConnected, () => options.onDisconnected)
    const isDone = () => socket.writableEnded && socket.writableLength === 0
    const { isHttp, last } = yield* Effect.raceFirst(receive(connection), send(socket, connection)).pipe(
      Effect.catchTag("ConnectionLost", (error) =>
        Effect.fail(new Disconnected({ address, reason: reason(error), isDone: isDone() }))
      )
    )
    if (isHttp) {
      const reason = "it speaks HTTP: is this the port of WebSocket, or of the admin server?"
      return yield* new Disconnected({ address, reason, isDone: false })
    }
    if (isDone() ? !REFUSAL.test(last) : SHUTDOWN_NOTICES.has(last) && !retry) return
    return yield* new Disconnected({ address, reason: `the server closed it${noticeIn(last)}`, isDone: isDone() })
  }).pipe(Effect.scoped)
}

/** The text of the notice, if the line is one. */
const noticeIn = (last: string): string => (last.startsWith("Warning: ") ? ` (${escapeText(last.slice(9))})` : "")

const toBytes = (line: string | Uint8Array): Uint8Array => (typeof line === "string" ? Buffer.from(line) : line)

/** Waits until the connection accepts more bytes. Never done once it is gone: `receive` fails then. */
const writable = (connection: TcpConnection) =>
  Effect.callback<void>((resume) => {
    if (connection.unsentBytes() === 0) return resume(Effect.void)
    connection.onWritable = () => resume(Effect.void)
    return Effect.sync(() => {
      connection.onWritable = () => {}
    })
  })

interface Opened {
  readonly socket: Net.Socket
  readonly connection: TcpConnection
}

/** Connects. The scope destroys the connection. */
const open = Effect.fnUntraced(function* (target: Target.Target): Effect.fn.Return<Opened, CannotConnect, Scope.Scope> {
  const address = Target.format(target)
  const opened = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const socket = Net.connect({
        ...target,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MILLIS
      })
      // Adds the `error` listener at once: an error without one would end the process.
      return { socket, connection: new TcpConnection(socket.pause(), { address, ip: target.host, transport: "tcp" }) }
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )
  return yield* Effect.callback<Opened, CannotConnect>((resume) => {
    opened.socket.once("connect", () => resume(Effect.succeed(opened)))
    opened.socket.once("error", (error) => resume(Effect.fail(new CannotConnect({ address, reason: reason(error) }))))
  }).pipe(
    Effect.timeoutOrElse({
      duration: CONNECT_TIMEOUT,
      orElse: () => new CannotConnect({ address, reason: `no answer within ${Duration.format(CONNECT_TIMEOUT)}` })
    })
  )
})
