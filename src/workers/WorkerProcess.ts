import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { ChildProcess } from "node:child_process"
import type { Socket } from "node:net"
import {
  type Answer,
  type Calls,
  Rejection,
  type Report,
  type ToPrimary,
  type ToWorker,
  type Where
} from "./Messages.ts"

/** How long an answer of a worker is waited for, in milliseconds. */
const ANSWER_MILLIS = 2000

/** How a process has ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not start, if it said so. */
  readonly detail: string | undefined
}

export const describeEnd = ({ code, detail, signal }: End): string =>
  detail ?? (signal === null ? `exit code ${code}` : `killed by ${signal}`)

/** The failure of a call that a worker does not do. */
type ErrorOf<C extends keyof Calls> = Effect.Error<ReturnType<Calls[C]>>
type AnswerOf<C extends keyof Calls> = Effect.Success<ReturnType<Calls[C]>>

const decodeRejection = Schema.decodeUnknownSync(Rejection)

/** A worker, as the primary has it. */
export class WorkerProcess {
  /** Never that of another one. */
  readonly id: number
  /** Which of the workers it is, from 1 on; the one that takes its place has the same. */
  readonly number: number
  readonly listening = Deferred.makeUnsafe<Where>()
  readonly ended = Deferred.makeUnsafe<End>()
  isListening = false
  hasEnded = false
  report: Report | undefined
  /** When it has reported last, in milliseconds. */
  heardMillis = 0
  /** Its clients: as many as it has reported, and those that it was given since. */
  clients = 0
  /** Connections that it was given and has not confirmed. */
  unconfirmed = 0
  /** Whose connections it wants. */
  readonly ports: Array<string> = []

  readonly #child: ChildProcess
  readonly #calls = new Map<number, Deferred.Deferred<Answer>>()
  #requests = 0
  #detail: string | undefined

  /** @param onMessage gets what is not meant for this object */
  constructor(
    id: number,
    number: number,
    child: ChildProcess,
    onMessage: (message: ToPrimary, from: WorkerProcess) => void
  ) {
    this.id = id
    this.number = number
    this.#child = child
    child.on("message", (message: ToPrimary) => {
      switch (message._tag) {
        case "Listening":
          this.isListening = true
          return void Deferred.doneUnsafe(this.listening, Exit.succeed(message.where))
        case "Failed":
          this.#detail = message.detail
          return
        case "Answer": {
          const call = this.#calls.get(message.request)
          if (call !== undefined) Deferred.doneUnsafe(call, Exit.succeed(message.answer))
          return
        }
        case "Report":
          if (this.report === undefined) onMessage(message, this)
          this.report = message
          this.clients = message.stats.clients + this.unconfirmed
          this.heardMillis = performance.now()
          return
        default:
          onMessage(message, this)
      }
    })
    // A message that cannot be sent: its end tells the rest.
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) this.#end({ code: null, signal: null, detail: `cannot be started: ${error.code}` })
    })
    // After it has ended, and everything that it has said has arrived.
    child.once("close", (code: number | null, signal: string | null) =>
      this.#end({ code, signal, detail: this.#detail })
    )
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** @param socket stays open here as well */
  send(message: ToWorker, socket?: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  kill(): void {
    this.#child.kill("SIGKILL")
  }

  #end(end: End): void {
    this.hasEnded = true
    for (const call of this.#calls.values()) Deferred.doneUnsafe(call, Exit.succeed(GONE))
    Deferred.doneUnsafe(this.ended, Exit.succeed(end))
  }

  /** Has the worker do something. Dies if it does not answer in time. */
  call<C extends keyof Calls>(call: C, ...args: Parameters<Calls[C]>): Effect.Effect<AnswerOf<C>, ErrorOf<C>> {
    return Effect.suspend(() => {
      if (this.hasEnded) return Effect.die(new Error(`worker ${this.number} has ended`))
      const request = ++this.#requests
      const answered = Deferred.makeUnsafe<Answer>()
      this.#calls.set(request, answered)
      this.send({ _tag: "Ask", request, call, args })
      return Effect.timeoutOrElse(Deferred.await(answered), {
        duration: ANSWER_MILLIS,
        orElse: () => Effect.die(new Error(`worker ${this.number} did not answer within ${ANSWER_MILLIS} ms`))
      }).pipe(Effect.ensuring(Effect.sync(() => this.#calls.delete(request))))
    }).pipe(
      Effect.flatMap((answer): Effect.Effect<AnswerOf<C>, ErrorOf<C>> => {
        switch (answer._tag) {
          case "Success":
            return Effect.succeed(answer.value as AnswerOf<C>)
          case "Failure":
            return Effect.fail(decodeRejection(answer.rejection) as ErrorOf<C>)
          case "Defect":
            return Effect.die(new Error(`worker ${this.number}: ${answer.message}`))
        }
      })
    )
  }
}

const GONE: Answer = { _tag: "Defect", message: "it has ended" }
