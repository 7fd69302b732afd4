import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { defaults as configured } from "../../src/config/ServerConfig.ts"
import { MessageLog, type Options, RelayLogger, wireReceiver } from "../../src/logging/RelayLogger.ts"

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "summoner-log-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

const defaults: Options = {
  name: "My.Server",
  log_level: "DEBUG",
  enable_console_log: false,
  console_log_format: configured.logger.console_log_format,
  enable_file_log: true,
  log_file_path: "",
  enable_json_console: false,
  enable_json_log: false,
  log_format: "%(name)s %(levelname)s %(message)s",
  date_format: configured.logger.date_format,
  max_file_size: 1_000_000,
  backup_count: 3,
  log_keys: null
}

/**
 * Runs a program with a file log, and returns the lines of the file once everything is closed. On the virtual clock, on which
 * the two seconds that the log may take for that never pass.
 */
const logged = Effect.fnUntraced(function* <A, E>(
  program: Effect.Effect<A, E, RelayLogger>,
  options: Partial<Options>
) {
  const directory = yield* temporaryDirectory
  yield* program.pipe(Effect.provide(RelayLogger.layer({ ...defaults, log_file_path: directory, ...options })))
  return Fs.readFileSync(Path.join(directory, "My_Server.log"), "utf8").split("\n").slice(0, -1)
})

const enabled = (options: Partial<Options>) =>
  Effect.map(MessageLog, (log) => log.enabled).pipe(
    Effect.provide(RelayLogger.layer({ ...defaults, enable_file_log: false, ...options }))
  )

const relay = (address: string, content: string) =>
  Effect.map(MessageLog, (log) => {
    log.relayed(address, content)
  })

const logEveryLevel = Effect.gen(function* () {
  yield* Effect.logTrace("t")
  yield* Effect.logDebug("d")
  yield* Effect.logInfo("i")
  yield* relay("a", "m")
  yield* Effect.logWarning("w")
  yield* Effect.logError("e")
  yield* Effect.logFatal("f")
})

describe("RelayLogger", () => {
  const everything = ["DEBUG t", "DEBUG d", "INFO i", "INFO From a: m", "WARNING w", "ERROR e", "CRITICAL f"]
  for (const [level, skipped] of [
    ["DEBUG", 0],
    ["INFO", 2],
    ["WARNING", 4],
    ["ERROR", 5],
    ["CRITICAL", 6]
  ] as const) {
    it.effect(`logs ${level} and what is severer, under Python's names`, () =>
      Effect.gen(function* () {
        const lines = yield* logged(logEveryLevel, { log_level: level })
        assert.deepStrictEqual(
          lines,
          everything.slice(skipped).map((line) => `My.Server ${line}`)
        )
      })
    )
  }

  it.effect("says whether relayed messages are logged at all", () =>
    Effect.gen(function* () {
      assert.isTrue(yield* enabled({ enable_console_log: true, log_level: "INFO" }))
      assert.isFalse(yield* enabled({ enable_console_log: true, log_level: "WARNING" }))
      assert.isFalse(yield* enabled({}))
    })
  )

  it.effect("writes JSON lines in which a relayed message is an envelope", () =>
    Effect.gen(function* () {
      const program = Effect.andThen(Effect.logWarning("slow", { n: 1 }), relay("1.2.3.4:5", '{"a":1}'))
      const lines = yield* logged(program, { enable_json_log: true, date_format: "%%" })
      assert.deepStrictEqual(lines, [
        '{"timestamp":"%","name":"My.Server","level":"WARNING","message":"slow {\\"n\\":1}"}',
        '{"timestamp":"%","name":"My.Server","level":"INFO","message":{"remote_addr":"1.2.3.4:5","content":{"a":1}}}'
      ])
    })
  )

  for (const enable_json_log of [true, false]) {
    it.effect(`logs only log_keys of a message as ${enable_json_log ? "JSON" : "text"}`, () =>
      Effect.gen(function* () {
        const message = '{"_version":"1","_payload":{"public":"p","private":"secret"},"more":"secret"}'
        const lines = yield* logged(relay("a", message), { enable_json_log, log_keys: ["public"] })
        assert.lengthOf(lines, 1)
        assert.notInclude(lines[0], "secret")
        assert.include(lines[0], '{"_version":"1","_payload":{"public":"p"}}')
      })
    )
  }

  it.effect("lets nobody forge a line, whether by a message or by an error", () =>
    Effect.gen(function* () {
      const forged = "x\nMy.Server CRITICAL forged\r\u2028\u001b[2J\u202e"
      const lines = yield* logged(
        Effect.gen(function* () {
          yield* relay("a", forged)
          yield* relay("a", `{"a":${JSON.stringify(forged)}}`)
          yield* Effect.logError("failed", Cause.die(new Error(forged)))
          yield* Effect.logInfo("annotated").pipe(Effect.annotateLogs({ key: forged }))
        }),
        {}
      )
      assert.lengthOf(lines, 4)
      for (const line of lines) {
        assert.match(line, /^My\.Server (INFO|ERROR) /)
        assert.notMatch(line, /[\p{Cc}\p{Bidi_Control}\u2028]/u)
      }
    })
  )

  it.effect("shows the stacks of defects at DEBUG only, and of failures in DEBUG lines only", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        yield* Effect.logError("a", Cause.fail(new Error("b")))
        yield* Effect.logError("a", Cause.die(new Error("b")))
        yield* Effect.logDebug("a", Cause.fail(new Error("b")))
      })
      const atDebug = yield* logged(program, { log_level: "DEBUG" })
      assert.deepStrictEqual(
        atDebug.map((line) => line.includes("RelayLogger.test.ts")),
        [false, true, true]
      )
      const atInfo = yield* logged(program, { log_level: "INFO" })
      assert.deepStrictEqual(atInfo, Array(2).fill("My.Server ERROR a (Error: b)"))
    })
  )

  it.effect("keeps the fiber that logs alive, whatever is logged", () =>
    Effect.gen(function* () {
      const hostile = new Proxy(
        {},
        {
          get() {
            throw new Error("no")
          },
          getPrototypeOf() {
            throw new Error("no")
          }
        }
      )
      const lines = yield* logged(
        Effect.andThen(
          Effect.logError(hostile, Cause.die(hostile)).pipe(Effect.annotateLogs({ hostile })),
          Effect.logInfo("alive")
        ),
        {}
      )
      assert.strictEqual(lines.at(-1), "My.Server INFO alive")
    })
  )

  it.effect("writes everything that was logged before its scope closes, at any length", () =>
    Effect.gen(function* () {
      const count = 20_000
      const program = Effect.map(MessageLog, (log) => {
        for (let i = 0; i < count; i++) log.relayed("a", `${i} ${"x".repeat(100)}`)
      })
      const lines = yield* logged(program, { max_file_size: 100_000_000, log_format: "%(message)s" })
      assert.lengthOf(lines, count)
      lines.forEach((line, index) => assert.strictEqual(line, `From a: ${index} ${"x".repeat(100)}`))
    })
  )

  it.effect("writes what was logged so far when flushed", () =>
    logged(
      Effect.gen(function* () {
        const logger = yield* RelayLogger
        yield* Effect.logInfo("a")
        yield* logger.flush
        assert.include(Fs.readFileSync(logger.path!, "utf8"), "INFO a\n")
      }),
      {}
    )
  )

  it.effect("fails to start when the log file cannot be opened, naming it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.mkdirSync(Path.join(directory, "My_Server.log"))
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(RelayLogger.layer({ ...defaults, log_file_path: directory })))
      )
      assert.strictEqual(error._tag, "LogFileError")
      assert.include(error.message, Path.join(directory, "My_Server.log"))
      assert.include(error.message, "EISDIR")
    })
  )

  it.effect("ignores what is logged after it was closed", () =>
    Effect.gen(function* () {
      let late: MessageLog | undefined
      const lines = yield* logged(
        Effect.map(MessageLog, (log) => {
          late = log
          log.relayed("a", "in time")
        }),
        {}
      )
      late!.relayed("a", "too late")
      assert.deepStrictEqual(lines, ["My.Server INFO From a: in time"])
    })
  )
})

describe("RelayLogger's layers for tests:", () => {
  it.effect("layerTest records lines at once", () => {
    const lines: Array<string> = []
    return Effect.gen(function* () {
      yield* logEveryLevel
      assert.deepStrictEqual(lines, ["WARNING w", "ERROR e", "CRITICAL f"])
    }).pipe(Effect.provide(RelayLogger.layerTest(lines, { log_level: "WARNING" })))
  })

  it.effect("layerSilent logs nothing", () =>
    Effect.gen(function* () {
      yield* logEveryLevel
      assert.isFalse((yield* MessageLog).enabled)
    }).pipe(Effect.provide(RelayLogger.layerSilent))
  )
})

describe("RelayLogger.layerWire", () => {
  it.effect("brings the lines of a thread to the loggers of another one, with time, level, text and fields", () =>
    Effect.gen(function* () {
      const lines: Array<Uint8Array> = []
      const write = (some: Uint8Array) => Effect.sync(() => void lines.push(some))
      const wire = RelayLogger.layerWire({ log_level: "INFO", isMessageLogged: false, write })
      yield* TestClock.setTime(1000)
      yield* Effect.logWarning("slow").pipe(
        Effect.annotateLogs({ "summoner.clients": 2, room: "a" }),
        Effect.andThen(Effect.flatMap(RelayLogger, ({ flush }) => flush)),
        Effect.provide(wire)
      )
      const logged: Array<unknown> = []
      const logger = Logger.make(({ date, fiber, logLevel, message }) => {
        logged.push([date.getTime(), logLevel, message, fiber.getRef(References.CurrentLogAnnotations)])
      })
      yield* Effect.map(wireReceiver, (receive) => lines.forEach(receive)).pipe(
        Effect.annotateLogs({ service: "chat" }),
        Effect.provide(Logger.layer([logger]))
      )
      assert.deepStrictEqual(logged, [[1000, "Warn", "slow room=a", { service: "chat", "summoner.clients": 2 }]])
    })
  )
})
