import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CannotConnect, type ClientError, Disconnected, NotSent } from "./ClientError.ts"
import type { Incoming, Message } from "./Incoming.ts"
import * as Plain from "./index.ts"

/** A client of a relay. One consumer reads from it at a time. */
export interface RelayClient {
  /** The lines of other clients, without notices. Ends when the client is closed, and fails when it ends otherwise. */
  readonly messages: Stream.Stream<Message, ClientError>
  /** All lines of the server in their order, notices and the beginnings of overlong lines included; ends like `messages`. */
  readonly lines: Stream.Stream<Incoming, ClientError>
  /**
   * Sends a line without a line feed; done when the connection has taken it. While there is no connection it waits for one, unless it is
   * interrupted: then the line is still sent.
   */
  readonly send: (line: string | Uint8Array) => Effect.Effect<void, NotSent>
  /**
   * Sends what waits, ends the sending side, and is done when the server has closed. Lines that still arrive can be read (not over
   * WebSocket). Fails if the connection was lost before, or if the server has refused this client.
   *
   * @param timeoutMillis how long the server may take, 10,000 by default
   */
  readonly close: (timeoutMillis?: number) => Effect.Effect<void, ClientError>
  /** Lines received and dropped because the buffer was full. */
  readonly dropped: Effect.Effect<number>
}

/**
 * Connects to a relay: done when there is a connection, shortly before the server lets the client in or refuses it. The end of the scope drops the connection; `close` leaves in order.
 *
 * For a `Schedule` of your own, connect with `reconnect: false` and retry the stream:
 * `Stream.unwrap(Effect.map(connect(url, { reconnect: false }), ({ messages }) => messages)).pipe(Stream.scoped, Stream.retry(schedule))`
 *
 * @param url `tcp://host:port`, `tls://host:port`, `ws://host:port/` or `wss://host:port/`
 * @param options as of `summoner-server/client`. A wrong URL, and an option that has no effect on it, is a defect
 */
export const connect = (
  url: string,
  options: Omit<Plain.NodeOptions, "signal"> = {}
): Effect.Effect<RelayClient, CannotConnect, Scope.Scope> =>
  Effect.gen(function* () {
    const controller = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const client = yield* attempt<Plain.Client, CannotConnect>(() =>
      Plain.connect(url, { ...options, signal: controller.signal })
    ).pipe(Effect.onInterrupt(() => Effect.sync(() => controller.abort())))
    // Waiting takes nothing, so an interruption loses no lines.
    const pull = Effect.flatMap(
      attempt<boolean, ClientError>(() => client.readable()),
      (hasLines) => {
        const [first, ...rest] = hasLines ? client.takeAll() : []
        return first === undefined ? Cause.done() : Effect.succeed([first, ...rest] as const)
      }
    )
    const lines = Stream.fromPull(Effect.succeed(pull))
    return {
      lines,
      messages: Stream.filter(lines, (line) => line.type === "message"),
      send: (line) => attempt<void, NotSent>(() => client.send(line)),
      close: (timeoutMillis) => attempt<void, ClientError>(() => client.close({ timeoutMillis })),
      dropped: Effect.sync(() => client.dropped)
    }
  })

/** Errors of the client are failures, anything else is a defect. */
const attempt = <A, E extends ClientError | NotSent>(promise: () => Promise<A>): Effect.Effect<A, E> =>
  Effect.callback((resume) => {
    promise().then(
      (value) => resume(Effect.succeed(value)),
      (error: unknown) => resume(isExpected(error) ? Effect.fail(error as E) : Effect.die(error))
    )
  })

const isExpected = (error: unknown): boolean =>
  error instanceof CannotConnect || error instanceof Disconnected || error instanceof NotSent
