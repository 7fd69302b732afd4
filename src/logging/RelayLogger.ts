/** The server's log: Effect's logger and the log of relayed messages, written to the console and to a file. Logging never waits. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { defaultFormats, type Level, levels, ServerConfig, type Values } from "../config/CurrentConfig.ts"
import { SetLogLevel } from "../config/ReloadHooks.ts"
import { type Fields, fieldsIn } from "./Fields.ts"
import * as LogConsole from "./LogConsole.ts"
import * as LogFile from "./LogFile.ts"
import * as LogFormat from "./LogFormat.ts"
import * as LogMessage from "./LogMessage.ts"
import * as LogOutput from "./LogOutput.ts"
import type { LogSink } from "./LogSink.ts"

export { LogFileError } from "./LogFile.ts"

/** The `logger` group of `server.json` (docs/configuration.md), and the server's name. */
export interface Options extends LoggerValues {
  /** A field of the formats, and the name of the file. */
  readonly name: string
  /** How long the end waits for lines that are not yet written, in milliseconds; 2000 by default. */
  readonly flushMillis?: number | undefined
}

type LoggerValues = Values["logger"]

/** The log of relayed messages (docs/operating.md#log-lines). Plain code, because it is called for every line. */
export interface MessageLog {
  /** Whether anything would be logged. */
  readonly enabled: boolean
  /**
   * Logs, at INFO, that a line was relayed. Never throws and never waits.
   *
   * @param address the sender
   * @param content the line as it was relayed; only what `log_keys` allows is logged
   * @param timeMillis when, if not now
   */
  readonly relayed: (address: string, content: string, timeMillis?: number) => void
}

/** A line on its way to the thread that writes the log. */
type WireLine =
  | readonly [timeMillis: number, level: Level, text: string, fields: Fields]
  | readonly [timeMillis: number, address: string, content: string, isRelayed: true]

/** What relay threads have to log, as the thread that writes the log wants it. */
export interface LogWire {
  /** `null`: nothing. */
  readonly log_level: Level | null
  /** Whether relayed messages are logged. */
  readonly isMessageLogged: boolean
}

const NO_MESSAGES: MessageLog = { enabled: false, relayed: () => {} }

/** Without a layer of `RelayLogger`, relayed messages are not logged. */
export const MessageLog = Context.Reference<MessageLog>("summoner-server/MessageLog", {
  defaultValue: () => NO_MESSAGES
})

/** Whether what a fiber logs is written at once, at every level of the log: that the server listens, which its operator waits for. */
export const IsAnnouncement = Context.Reference<boolean>("summoner-server/IsAnnouncement", {
  defaultValue: () => false
})

/** The state of the log. Its layers also replace Effect's loggers and set the minimum log level, so that `Effect.log*` follows the configuration. */
export class RelayLogger extends Context.Service<
  RelayLogger,
  {
    /** The server's name in the log. */
    readonly name: string
    /** The log file, when there is one. */
    readonly path: string | undefined
    /** Lines dropped so far because the console or the file did not keep up. */
    readonly droppedUnsafe: () => number
    /** Whether the present level lets through what `Effect.log*` logs at this one. */
    readonly isLoggedUnsafe: (level: LogLevel.LogLevel) => boolean
    /** Waits until everything is written, also what is logged meanwhile; bound it with a timeout. */
    readonly flush: Effect.Effect<void>
  }
>()("summoner-server/RelayLogger") {
  /**
   * Logs as configured. When its scope closes, lines that are not written within `flushMillis` are counted on standard error. Fails with `LogFileError` when the log file
   * cannot be opened. While it cannot be written later, a warning is on the console and lines that exceed the buffer are dropped.
   */
  static readonly layer = (options: Options): Layer.Layer<RelayLogger, LogFile.LogFileError> =>
    Layer.effectContext(Effect.flatMap(makeOutputs(options), (outputs) => makeContext(options, outputs)))

  /**
   * Hands every line to the thread that writes the log of the whole server, where `wireReceiver` takes it.
   *
   * @param options.write takes whole lines, and is done when there is room for more
   */
  static readonly layerWire = ({
    isMessageLogged,
    log_level,
    write
  }: LogWire & {
    readonly write: (lines: Buffer) => Effect.Effect<void>
  }): Layer.Layer<RelayLogger> =>
    log_level === null
      ? RelayLogger.layerSilent
      : Layer.effectContext(
          Effect.gen(function* () {
            const format: LogOutput.Format = {
              json: false,
              event: (timeMillis, level, text, annotations = {}) =>
                JSON.stringify([timeMillis, level, text, fieldsIn(annotations)] satisfies WireLine),
              relayed: (timeMillis, address, { text }) =>
                JSON.stringify([timeMillis, address, text, true] satisfies WireLine)
            }
            const output = yield* LogOutput.makeOutput(format, {
              destination: "the thread that writes the log",
              write,
              slow: "a relay thread logs faster than the log is written"
            })
            yield* LogOutput.flushAtEnd([output], FLUSH_MILLIS)
            const options = { name: SILENT_NAME, log_level, log_keys: null }
            const context = yield* makeContext(options, { path: undefined, sinks: [output] })
            return isMessageLogged ? context : Context.add(context, MessageLog, NO_MESSAGES)
          })
        )

  /** Logs nothing. */
  static readonly layerSilent: Layer.Layer<RelayLogger> = Layer.effectContext(
    Effect.suspend(() =>
      makeContext({ name: SILENT_NAME, log_level: "CRITICAL", log_keys: null }, { path: undefined, sinks: [] })
    )
  )

  /**
   * Adds every line to an array, at once: `<level> <message>`, or as the options say.
   *
   * @param lines where the lines go
   * @param options what is to be different from `DEBUG`, text lines, and content logged whole
   */
  static readonly layerTest = (
    lines: Array<string>,
    options?: Partial<
      Pick<Options, "name" | "log_level" | "log_format" | "date_format" | "enable_json_log" | "log_keys">
    >
  ): Layer.Layer<RelayLogger> =>
    Layer.effectContext(
      Effect.suspend(() => {
        const configured = {
          name: "MyServer",
          log_level: "DEBUG" as const,
          log_format: "%(levelname)s %(message)s",
          date_format: defaultFormats.date_format,
          enable_json_log: false,
          log_keys: null,
          ...options
        }
        return makeContext(configured, {
          path: undefined,
          sinks: [{ ...LogOutput.fileOutput(configured), destination: "an array", sink: arraySink(lines) }]
        })
      })
    )
}

/** The name of a server whose lines have none: it logs nothing, or another thread writes them. */
const SILENT_NAME = "summoner-server"

/** What threads have to log for this fiber. */
export const wireOf: Effect.Effect<LogWire, never, ServerConfig> = Effect.gen(function* () {
  const { enable_console_log, enable_file_log, log_level } = (yield* ServerConfig).logger
  const minimum = yield* References.MinimumLogLevel
  const isConfigured = Option.isSome(yield* Effect.serviceOption(RelayLogger))
  return {
    log_level: minimum === "None" ? null : isConfigured ? log_level : levelNames[minimum],
    isMessageLogged: isConfigured && (enable_console_log || enable_file_log)
  }
})

/** Takes the lines of `RelayLogger.layerWire`, in another thread, as if they had been logged by this fiber when they were logged there. */
export const wireReceiver: Effect.Effect<(lines: Uint8Array) => void> = Effect.gen(function* () {
  const messageLog = yield* MessageLog
  const loggers = yield* References.CurrentLoggers
  return yield* Effect.withFiber((fiber) =>
    Effect.succeed((bytes: Uint8Array) => {
      for (const line of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString().split("\n")) {
        if (line === "") continue
        const wire: WireLine = JSON.parse(line)
        if (wire[3] === true) {
          messageLog.relayed(wire[1], wire[2], wire[0])
          continue
        }
        const [timeMillis, level, message, fields] = wire
        const annotations = { ...fiber.getRef(References.CurrentLogAnnotations), ...fields }
        const logged = {
          message,
          logLevel: logLevels[level],
          cause: Cause.empty,
          // Loggers take annotations from the fiber.
          fiber: Object.create(fiber, {
            context: { value: Context.add(fiber.context, References.CurrentLogAnnotations, annotations) }
          }),
          date: new Date(timeMillis)
        }
        for (const logger of loggers) logger.log(logged)
      }
    })
  )
})

/**
 * Logs as the `logger` group of the `ServerConfig` says.
 *
 * @param name the server's name
 */
export const layerConfig = (name: string): Layer.Layer<RelayLogger, LogFile.LogFileError, ServerConfig> =>
  Layer.unwrap(
    Effect.map(ServerConfig, ({ hyper_parameters, logger }) =>
      RelayLogger.layer({ name, ...logger, flushMillis: hyper_parameters.shutdown_grace_ms })
    )
  )

interface Outputs {
  readonly path: string | undefined
  readonly sinks: ReadonlyArray<LogOutput.Output>
}

const arraySink = (lines: Array<string>): LogSink => ({
  admitUnsafe: () => true,
  pushUnsafe: (line) => {
    lines.push(line)
  },
  droppedUnsafe: () => 0,
  waitingUnsafe: () => 0,
  flush: Effect.void
})

const makeOutputs = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Outputs, LogFile.LogFileError, Scope.Scope> {
  const sinks: Array<LogOutput.Output> = []
  let console: LogOutput.Output | undefined
  if (options.enable_console_log) {
    const format = options.enable_json_console
      ? LogOutput.jsonOutput(options)
      : LogOutput.textOutput(
          options,
          LogFormat.consoleFormat(options.console_log_format, process.stdout.isTTY === true)
        )
    console = yield* LogOutput.makeOutput(format, {
      destination: "standard output",
      write: yield* LogConsole.make,
      slow: "the console was not read fast enough"
    })
    sinks.push(console)
  }
  const clock = yield* Clock.Clock
  const report = (message: string) => {
    if (console === undefined) LogConsole.complain(message)
    else if (console.sink.admitUnsafe()) {
      console.sink.pushUnsafe(console.event(clock.currentTimeMillisUnsafe(), "WARNING", message))
    }
  }

  const path = options.enable_file_log ? LogFile.pathOf(options.log_file_path, options.name) : undefined
  if (path !== undefined) {
    const { backup_count: backups, max_file_size: maxBytes } = options
    const file = yield* LogFile.open({ path, maxBytes, backups, report })
    const output = yield* LogOutput.makeOutput(LogOutput.fileOutput(options), {
      destination: path,
      write: file.append,
      onFailure: (cause) => report(`Stopped writing the log file ${path}: ${String(cause)}`),
      slow: "the log file could not be written fast enough"
    })
    sinks.push(output)
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => sinks.forEach(LogOutput.complainOfWaiting)))
  yield* LogOutput.flushAtEnd(sinks, options.flushMillis ?? FLUSH_MILLIS)
  return { path, sinks }
})

const FLUSH_MILLIS = 2000

const makeContext = Effect.fnUntraced(function* (
  options: Pick<Options, "name" | "log_level" | "log_keys">,
  { path, sinks }: Outputs
): Effect.fn.Return<Context.Context<RelayLogger>> {
  const clock = yield* Clock.Clock
  const keys = options.log_keys === null ? null : new Set(options.log_keys)
  let minimum = levels.indexOf(options.log_level)

  const isLoggedUnsafe = (level: LogLevel.LogLevel) => levels.indexOf(levelNames[level]) >= minimum

  const logger = Logger.make<unknown, void>(({ cause, date, fiber, logLevel, message }) => {
    try {
      const timeMillis = date.getTime()
      const isAnnouncement = fiber.getRef(IsAnnouncement)
      if (!isLoggedUnsafe(logLevel) && !isAnnouncement) return
      const level = levelNames[logLevel]
      const annotations = fiber.getRef(References.CurrentLogAnnotations)
      const text = LogMessage.eventText({
        message,
        cause,
        // A defect is a bug, which cannot be found without its stack.
        stacks: minimum === 0 ? (level === "DEBUG" ? "all" : "defects") : "none",
        timeMillis,
        spans: fiber.getRef(References.CurrentLogSpans),
        annotations
      })
      for (const { event, sink } of sinks) {
        if (sink.admitUnsafe()) sink.pushUnsafe(event(timeMillis, level, text, annotations), isAnnouncement)
      }
    } catch {
      // A logger that throws ends the fiber that logs.
    }
  })

  const wantsJson = sinks.some(({ json }) => json)
  const isMessageLogged = () => sinks.length > 0 && minimum <= INFO
  const messageLog: MessageLog = {
    get enabled() {
      return isMessageLogged()
    },
    relayed(address, content, timeMillis = clock.currentTimeMillisUnsafe()) {
      if (!isMessageLogged()) return
      try {
        let read: LogMessage.LoggedContent | undefined
        for (const { relayed, sink } of sinks) {
          if (!sink.admitUnsafe()) continue
          read ??= LogMessage.readContent(content, keys, wantsJson)
          sink.pushUnsafe(relayed(timeMillis, address, read))
        }
      } catch {
        // A failure to log must not keep a message from being relayed.
      }
    }
  }
  return Context.make(RelayLogger, {
    name: options.name,
    path,
    droppedUnsafe: () => sinks.reduce((sum, { sink }) => sum + sink.droppedUnsafe(), 0),
    isLoggedUnsafe,
    flush: LogOutput.flushAll(sinks)
  }).pipe(
    Context.add(MessageLog, messageLog),
    // What is below INFO gets here only if the server was started with DEBUG: otherwise Effect cuts it, where that is cheapest.
    Context.add(SetLogLevel, (level) => {
      minimum = levels.indexOf(level)
    }),
    Context.add(References.CurrentLoggers, new Set([logger])),
    Context.add(
      References.MinimumLogLevel,
      sinks.length === 0 ? "None" : options.log_level === "DEBUG" ? "Trace" : "Info"
    )
  )
})

const levelNames: Record<LogLevel.LogLevel, Level> = {
  All: "DEBUG",
  Trace: "DEBUG",
  Debug: "DEBUG",
  Info: "INFO",
  Warn: "WARNING",
  Error: "ERROR",
  Fatal: "CRITICAL",
  None: "CRITICAL"
}

const logLevels: Record<Level, LogLevel.Severity> = {
  DEBUG: "Debug",
  INFO: "Info",
  WARNING: "Warn",
  ERROR: "Error",
  CRITICAL: "Fatal"
}

const INFO = levels.indexOf("INFO")
