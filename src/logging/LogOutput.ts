/** The destinations of log lines, each with its format. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Level, Values } from "../config/CurrentConfig.ts"
import { escapeJson, escapeText } from "../internal/escape.ts"
import * as LogConsole from "./LogConsole.ts"
import * as LogFormat from "./LogFormat.ts"
import * as LogMessage from "./LogMessage.ts"
import * as LogSink from "./LogSink.ts"

type Options = Values["logger"] & { readonly name: string }

export interface Format {
  /** Whether a content is shown differently when it is JSON. */
  readonly json: boolean
  readonly event: (
    timeMillis: number,
    level: Level,
    message: string,
    annotations?: Readonly<Record<string, unknown>>
  ) => string
  readonly relayed: (timeMillis: number, address: string, content: LogMessage.LoggedContent) => string
}

export interface Output extends Format {
  readonly destination: string
  readonly sink: LogSink.LogSink
}

/** With JSON logs on, the console too shows a relayed message as its envelope (docs/operating.md#log-lines). */
export const textOutput = (
  options: Pick<Options, "name" | "date_format" | "enable_json_log">,
  format: string
): Format => {
  const line = LogFormat.text({ name: options.name, format, dateFormat: options.date_format })
  const relayed = options.enable_json_log ? LogMessage.relayedJson : LogMessage.relayedText
  return {
    json: options.enable_json_log,
    event: (timeMillis, level, message) => line(timeMillis, level, escapeText(message)),
    relayed: (timeMillis, address, content) => {
      const text = relayed(address, content)
      return line(timeMillis, "INFO", content.isPlain ? text : escapeText(text))
    }
  }
}

export const jsonOutput = (options: Pick<Options, "name" | "date_format">): Format => {
  const line = LogFormat.json({ name: options.name, dateFormat: options.date_format })
  return {
    json: true,
    event: (timeMillis, level, message) => line(timeMillis, level, escapeJson(JSON.stringify(message))),
    relayed: (timeMillis, address, content) => {
      const json = LogMessage.relayedJson(address, content)
      return line(timeMillis, "INFO", content.isPlain ? json : escapeJson(json))
    }
  }
}

export const fileOutput = (options: Pick<Options, "name" | "date_format" | "enable_json_log" | "log_format">): Format =>
  options.enable_json_log ? jsonOutput(options) : textOutput(options, options.log_format)

/** @param options `slow`: why lines are dropped, for the line in their place */
export const makeOutput = Effect.fnUntraced(function* (
  format: Format,
  options: {
    readonly destination: string
    readonly write: (lines: Buffer) => Effect.Effect<void, unknown>
    readonly onFailure?: (cause: Cause.Cause<unknown>) => void
    readonly slow: string
  }
): Effect.fn.Return<Output, never, Scope.Scope> {
  const { destination, onFailure = () => {}, slow, write } = options
  const clock = yield* Clock.Clock
  const droppedLine = (count: number) =>
    format.event(clock.currentTimeMillisUnsafe(), "WARNING", `${lines(count)} dropped here: ${slow}`)
  return { ...format, destination, sink: yield* LogSink.make({ write, onFailure, droppedLine }) }
})

export const flushAtEnd = (sinks: ReadonlyArray<Output>, millis: number) =>
  Effect.addFinalizer(() => flushAll(sinks).pipe(Effect.interruptible, Effect.timeoutOption(millis)))

export const complainOfWaiting = ({ destination, sink }: Output): void => {
  const waiting = sink.waitingUnsafe()
  if (waiting > 0) LogConsole.complain(`${lines(waiting)} not written to ${destination}`)
}

const lines = (count: number): string => (count === 1 ? "1 line was" : `${count} lines were`)

export const flushAll = (sinks: ReadonlyArray<Output>): Effect.Effect<void> =>
  Effect.forEach(sinks, (output) => output.sink.flush, { concurrency: "unbounded", discard: true })
