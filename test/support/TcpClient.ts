import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { next, nextOf, patiently } from "./patience.ts"

/** A client on a real socket: what a person with `nc` has. */
export interface TcpClient {
  /** `ip:port` of our side: our name in envelopes. */
  readonly address: string
  readonly socket: Net.Socket
  readonly send: (text: string | Uint8Array) => void
  /** The next line, without its line feed; fails the test if none comes. */
  readonly line: Effect.Effect<string>
  readonly lines: (count: number) => Effect.Effect<Array<string>>
  /** Waits until the server has ended its side; what came before it. */
  readonly rest: Effect.Effect<Array<string>>
}

/** Connects, with TLS if there are options for it; the socket is gone when the scope closes. */
export const connect = (
  port: number,
  options: { readonly host?: string; readonly localAddress?: string; readonly tls?: Tls.ConnectionOptions } = {}
): Effect.Effect<TcpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { host = "127.0.0.1", tls, ...local } = options
    const lines = yield* Queue.unbounded<string>()
    const ended = yield* Deferred.make<void>()
    const socket = yield* Effect.acquireRelease(
      Effect.callback<Net.Socket>((resume) => {
        const target = { port, host, allowHalfOpen: true, ...local }
        const socket = tls === undefined ? Net.connect(target) : Tls.connect({ ...target, ...tls })
        socket.setNoDelay(true)
        socket.once(tls === undefined ? "connect" : "secureConnect", () => resume(Effect.succeed(socket)))
        socket.once("error", (error) => resume(Effect.die(error)))
      }),
      (socket) => Effect.sync(() => socket.destroy())
    )
    let rest = ""
    socket.setEncoding("utf8")
    socket.on("data", (text: string) => {
      const parts = (rest + text).split("\n")
      rest = parts.pop()!
      for (const line of parts) Queue.offerUnsafe(lines, line)
    })
    socket.on("error", () => {})
    const end = () => Deferred.doneUnsafe(ended, Effect.void)
    socket.once("end", end).once("close", end)
    const { localAddress, localPort } = socket
    return {
      address: localAddress?.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`,
      socket,
      send: (text) => void socket.write(text),
      line: next(lines, "a line"),
      lines: (count) => nextOf(lines, count, "lines"),
      rest: patiently(Deferred.await(ended), "the end of the stream").pipe(Effect.andThen(Queue.clear(lines)))
    }
  })

/** A socket to this machine, for what is no client. */
export const raw = (port: number): Net.Socket => Net.connect({ port, host: "127.0.0.1" })

/** The line that everybody else gets for `content` from `client`. */
export const envelope = (client: TcpClient, content: string) =>
  `{"remote_addr":${JSON.stringify(client.address)},"content":${JSON.stringify(content)}}`

/**
 * Waits until the server has let both clients in: that one gets a line of the other is the only proof that the protocol
 * offers, and a line sent too early reaches nobody.
 */
export const settled = Effect.fnUntraced(function* (client: TcpClient, witness: TcpClient) {
  const greeting = envelope(client, "here")
  while (true) {
    client.send("here\n")
    const seen = yield* Effect.timeoutOption(witness.line, "100 millis")
    if (Option.getOrUndefined(seen) === greeting) break
  }
  // Greetings of earlier rounds may still be on their way, and stay in front of this line.
  client.send("settled\n")
  while ((yield* witness.line) !== envelope(client, "settled")) continue
})
