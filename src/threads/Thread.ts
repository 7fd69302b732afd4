import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads"
import { builtFile } from "../internal/built.ts"
import type { Feeds, Followed, FromThread, Report, ToThread, Where } from "./Messages.ts"
import { StartError, type ThreadData } from "./Messages.ts"
import * as Calls from "./ThreadCalls.ts"
import * as Schema from "effect/Schema"

/** How a thread has ended. */
export interface End {
  readonly why: string
  /** If it could not start. */
  readonly error: StartError | undefined
}

/** What a thread runs: `RelayThread` as one bundle, which loads in a fifth of the time of its modules. Tests may have another one. */
export const ThreadEntry = Context.Reference<URL>("summoner-server/ThreadEntry", {
  defaultValue: () => builtFile("RelayThread.js")
})

const decodeStartError = Schema.decodeUnknownSync(StartError)

/** A relay thread, as the main thread has it. */
export class Thread {
  /** From 0; the thread that takes its place has the same. */
  readonly index: number
  readonly loaded = Deferred.makeUnsafe<void>()
  readonly listening = Deferred.makeUnsafe<Where>()
  readonly ended = Deferred.makeUnsafe<End>()
  isListening = false
  report: Report | undefined
  /** When it has reported last, in milliseconds. */
  heardMillis = 0
  readonly #worker: Worker
  #end: End | undefined

  /**
   * @param entry what it runs
   * @param heapMebibytes what its heap may grow to: a thread that leaks ends, with its clients, before it takes the process along
   * @param onLog takes the lines that the thread logs
   */
  constructor(entry: URL, data: ThreadData, heapMebibytes: number, onLog: (lines: Uint8Array) => void) {
    this.index = data.index
    this.#worker = new Worker(entry, {
      workerData: data,
      transferList: data.wakePorts.map(([, port]) => port),
      name: this.name,
      resourceLimits: { maxOldGenerationSizeMb: heapMebibytes },
      // A thread would take over what says that the program is a text, and then refuse a file.
      ...(process.execArgv.some((option) => option.startsWith("--input-type")) && { execArgv: [] })
    })
    this.#worker
      .on("message", (message: FromThread) => {
        switch (message._tag) {
          case "Loaded":
            return void Deferred.doneUnsafe(this.loaded, Exit.void)
          case "Listening":
            this.isListening = true
            return void Deferred.doneUnsafe(this.listening, Exit.succeed(message.where))
          case "Failed": {
            const error = decodeStartError(message.error)
            this.#end = { why: error.message, error }
            return
          }
          case "Died":
            this.#end = { why: message.detail, error: undefined }
            return
          case "Reported":
            this.report = message.report
            this.heardMillis = performance.now()
            return
          case "Log":
            onLog(message.lines)
            return this.post({ _tag: "LogTaken" })
        }
      })
      .on("error", (error) => {
        this.#end ??= { why: error instanceof Error ? (error.stack ?? error.message) : String(error), error: undefined }
      })
      // After everything that it has said has arrived.
      .once("exit", (code) => {
        this.isListening = false
        Deferred.doneUnsafe(this.ended, Exit.succeed(this.#end ?? { why: `exit code ${code}`, error: undefined }))
      })
  }

  /** Of whom messages and metrics speak. */
  get name(): string {
    return `worker ${this.index + 1}`
  }

  post(message: ToThread, transfer: ReadonlyArray<MessagePort> = []): void {
    this.#worker.postMessage(message, [...transfer])
  }

  /** Ends it at once, wherever it is. */
  terminate(why = "terminated"): void {
    this.#end ??= { why, error: undefined }
    void this.#worker.terminate()
  }

  /** Has it do something. Dies if it does not answer in time. */
  call<N extends Calls.Name>(
    name: N,
    payload: Calls.Calls[N]["payload"]
  ): Effect.Effect<Calls.Calls[N]["success"], Calls.Calls[N]["error"]> {
    return Calls.call(this.name, (call, transfer) => this.post(call, transfer), name, payload)
  }

  /**
   * Follows one of its streams.
   *
   * @returns ends that
   */
  follow<F extends keyof Feeds>(feed: F, onEvents: (events: Followed<F>) => void): () => void {
    const { port1, port2 } = new MessageChannel()
    port1.on("message", (events: Followed<F>) => {
      onEvents(events)
      port1.postMessage(undefined)
    })
    this.post({ _tag: "Follow", feed, to: port2 }, [port2])
    return () => port1.close()
  }
}
