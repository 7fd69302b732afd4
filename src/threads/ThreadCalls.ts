/**
 * What the main thread asks of a relay thread. Each call has a `MessagePort` of its own, which closes when the call is done and when the
 * thread ends: nothing is numbered, and no answer is waited for that cannot come.
 *
 * Both ends are the same program, so that values need no decoding; errors get their classes back.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads"
import type { Values } from "../config/CurrentConfig.ts"
import type { Entry } from "../limits/Quarantine.ts"
import type { RoomClients } from "../room/Bus.ts"
import type { ClientInfo } from "../room/ClientInfo.ts"
import { ClientNotFound, MessageRejected, QuarantineRejected } from "../session/OperationErrors.ts"
import type { DisconnectOptions } from "../room/DisconnectReason.ts"
import type { Identity } from "../transport/tls/TlsIdentity.ts"
import type { Report } from "./Messages.ts"

/** How long an answer is waited for, in milliseconds. */
const ANSWER_MILLIS = 2000

interface CallOf<Payload, Success, Error = never> {
  readonly payload: Payload
  readonly success: Success
  readonly error: Error
}

/** The calls, by name. */
export interface Calls {
  /** At most `MAX_LISTED`. */
  readonly clients: CallOf<undefined, ReadonlyArray<ClientInfo>>
  readonly report: CallOf<undefined, Report>
  readonly reload: CallOf<{ readonly values: Values; readonly identity: Identity | undefined }, void>
  /** `to`: only those of them get it that are clients of the thread. Succeeds with those of `to` that get it. */
  readonly broadcast: CallOf<
    { readonly content: string; readonly from: string | undefined; readonly to: ReadonlyArray<string> | undefined },
    ReadonlyArray<string>,
    MessageRejected
  >
  readonly send: CallOf<{ readonly address: string; readonly notice: string }, void, ClientNotFound | MessageRejected>
  readonly disconnect: CallOf<
    { readonly address: string; readonly options: DisconnectOptions | undefined },
    void,
    ClientNotFound | MessageRejected | QuarantineRejected
  >
  readonly quarantined: CallOf<undefined, ReadonlyArray<Entry>>
  readonly quarantine: CallOf<string, void, QuarantineRejected>
  readonly lift: CallOf<string, boolean>
  readonly room: CallOf<undefined, RoomClients>
  /** Relays no more lines of its clients; what it has relayed, the other threads can read once this is answered. */
  readonly quiesce: CallOf<undefined, void>
}

export type Name = keyof Calls

/** What calls fail with. */
const Failure = Schema.Union([ClientNotFound, MessageRejected, QuarantineRejected])
const encodeFailure = Schema.encodeSync(Failure)
const decodeFailure = Schema.decodeUnknownEffect(Failure)

/** A call on its way. */
export interface Call<N extends Name = Name> {
  readonly _tag: "Call"
  readonly name: N
  readonly payload: Calls[N]["payload"]
  readonly reply: MessagePort
}

/** What became of it. */
type Outcome<N extends Name> =
  | { readonly _tag: "Success"; readonly value: Calls[N]["success"] }
  | { readonly _tag: "Failure"; readonly error: unknown }
  | { readonly _tag: "Defect"; readonly message: string }

/** What a thread does for each call. */
export type Handlers = {
  readonly [N in Name]: (payload: Calls[N]["payload"]) => Effect.Effect<Calls[N]["success"], Calls[N]["error"]>
}

/** Answers a call. Never fails. */
export const answer = <N extends Name>(handlers: Handlers, { name, payload, reply }: Call<N>): Effect.Effect<void> =>
  Effect.map(Effect.exit(handlers[name](payload)), (exit) => {
    const outcome: Outcome<N> = Exit.isSuccess(exit) ? { _tag: "Success", value: exit.value } : failureOf(exit.cause)
    reply.postMessage(outcome, [])
    reply.close()
  })

const failureOf = (cause: Cause.Cause<typeof Failure.Type>) => {
  const failed = cause.reasons.find(Cause.isFailReason)
  return failed === undefined
    ? ({ _tag: "Defect", message: Cause.pretty(cause) } as const)
    : ({ _tag: "Failure", error: encodeFailure(failed.error) } as const)
}

/**
 * Calls a thread. Dies if the thread ends meanwhile, or does not answer in time. A caller that runs it synchronously (`Effect.runSync`) is
 * blocked until then.
 *
 * @param who names the thread in messages
 * @param post sends it the call
 */
export const call = <N extends Name>(
  who: string,
  post: (call: Call<N>, transfer: ReadonlyArray<MessagePort>) => void,
  name: N,
  payload: Calls[N]["payload"]
): Effect.Effect<Calls[N]["success"], Calls[N]["error"]> =>
  Effect.flatMap(Scheduler.Scheduler, ({ executionMode }) => {
    const { port1, port2 } = new MessageChannel()
    const close = Effect.sync(() => port1.close())
    post({ _tag: "Call", name, payload, reply: port2 }, [port2])
    const outcome = executionMode === "sync" ? Effect.sync(() => outcomeSync<N>(port1)) : outcomeOf<N>(port1)
    return Effect.ensuring(outcome, close)
  }).pipe(
    Effect.flatMap((outcome): Effect.Effect<Calls[N]["success"], Calls[N]["error"]> => {
      switch (outcome._tag) {
        case "Success":
          return Effect.succeed(outcome.value)
        case "Failure":
          return Effect.flip(Effect.orDie(decodeFailure(outcome.error))) as Effect.Effect<never, Calls[N]["error"]>
        case "Defect":
          return Effect.die(new Error(`${who}: ${outcome.message}`))
      }
    })
  )

const SILENT = { _tag: "Defect", message: `no answer within ${ANSWER_MILLIS} ms` } as const

const outcomeOf = <N extends Name>(from: MessagePort): Effect.Effect<Outcome<N>> =>
  Effect.callback<Outcome<N>>((resume) => {
    from
      .once("message", (outcome: Outcome<N>) => resume(Effect.succeed(outcome)))
      .once("close", () => resume(Effect.succeed({ _tag: "Defect", message: "it has ended" })))
  }).pipe(Effect.timeoutOrElse({ duration: ANSWER_MILLIS, orElse: () => Effect.succeed<Outcome<N>>(SILENT) }))

/** Never written: to wait on it is to sleep. */
const sleeping = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

const outcomeSync = <N extends Name>(from: MessagePort): Outcome<N> => {
  const deadline = performance.now() + ANSWER_MILLIS
  while (performance.now() < deadline) {
    const received: { readonly message: Outcome<N> } | undefined = receiveMessageOnPort(from)
    if (received !== undefined) return received.message
    Atomics.wait(sleeping, 0, 0, 0.1)
  }
  return SILENT
}
