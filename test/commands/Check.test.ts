import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { check } from "../../src/commands/check.ts"
import { only, valueAt } from "../../src/config/ConfigPath.ts"
import { decode, keys, merge } from "../../src/config/ServerConfig.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"

/** Runs `check` beside this `server.json`. */
const run = Effect.fnUntraced(function* (
  content: unknown,
  { args = [], env = {} }: { readonly args?: ReadonlyArray<string>; readonly env?: Record<string, string> } = {}
) {
  const cwd = yield* Directory.make(content === undefined ? {} : { "server.json": content })
  return yield* Commands.run(check, args, { cwd, env })
})

/** The notes, as `<key>: <reason>`. */
const notes = (content: unknown, env: Record<string, string> = {}) =>
  Effect.map(Commands.checked(content, { env }), ({ notes }) => notes.map(({ path, reason }) => `${path}: ${reason}`))

describe("check", () => {
  it.effect("prints every value and where it comes from, aligned, then warnings, then notes", () =>
    Effect.gen(function* () {
      const { error, stdout } = yield* run(
        { port: 1, logger: { log_keys: "" }, hyper_parameters: { command_buffer_size: 64, max_clients: 400 } },
        { args: ["--host", "::1"], env: { SUMMONER_LOGGER_LOG_LEVEL: "INFO" } }
      )
      assert.isUndefined(error)
      const blocks = stdout.trimEnd().split("\n\n")
      assert.strictEqual(blocks[0], "configuration: server.json, with SUMMONER_LOGGER_LOG_LEVEL, --host")
      assert.strictEqual(
        blocks[1],
        ['host     "::1"   --host', "port     1       server.json", 'version  "rust"  default'].join("\n")
      )
      assert.match(blocks[2]!, /^logger\.log_level {12}"INFO" {28}SUMMONER_LOGGER_LOG_LEVEL$/m)
      for (const { isGroup, path } of keys()) {
        if (!isGroup && path !== "$schema") assert.include(stdout, `\n${path} `)
      }
      assert.deepStrictEqual(blocks.slice(-2), [
        'warning: server.json: logger.log_keys: "" is an older form: write null',
        "note: hyper_parameters.command_buffer_size has no effect: nothing in this server needs it"
      ])
    })
  )

  it.effect("without a file shows the defaults, and notes nothing", () =>
    Effect.gen(function* () {
      const { error, stdout } = yield* run(undefined)
      assert.isUndefined(error)
      assert.match(stdout, /^configuration: built-in defaults \(no \.\/server\.json\)\n/)
      assert.notMatch(stdout, /note|server\.json$/m)
      assert.match(stdout, /\n\nwarning: backpressure_policy: from 100 other clients on [^\n]+\n$/)
    })
  )

  it.effect("prints all problems of all sources and fails", () =>
    Effect.gen(function* () {
      const { error, stdout } = yield* run(
        { prot: 1, version: "go" },
        { args: ["--host", ""], env: { SUMMONER_PORT: "x" } }
      )
      assert.strictEqual(stdout, "")
      assert.strictEqual(
        error,
        [
          "server.json, environment, command line: 4 problems",
          '  prot: expected a known key, found unknown key "prot"; did you mean port?',
          '  version: expected "rust", "python" or a name that begins with "rust_v", found "go"',
          '  SUMMONER_PORT: expected a whole number from 0 to 65535, found "x"',
          '  --host: expected a host name or an IP address, found ""'
        ].join("\n")
      )
    })
  )

  it.effect("--json prints the same for programs", () =>
    Effect.gen(function* () {
      const fine = yield* run(
        { port: 1, hyper_parameters: { max_clients: 400 } },
        { args: ["--json"], env: { SUMMONER_HOST: "::1" } }
      )
      assert.isUndefined(fine.error)
      const { file, notes, origins, valid, values, warnings } = JSON.parse(fine.stdout)
      assert.deepStrictEqual(
        { file, notes, valid, warnings },
        { file: "server.json", notes: [], valid: true, warnings: [] }
      )
      assert.deepStrictEqual([values.host, values.port, values.logger.backup_count], ["::1", 1, 3])
      assert.deepStrictEqual(
        [origins.host, origins.port, origins["logger.backup_count"]],
        ["SUMMONER_HOST", "file", "default"]
      )
      const wrong = yield* run({ port: "x" }, { args: ["--json"] })
      assert.isDefined(wrong.error)
      assert.deepStrictEqual(JSON.parse(wrong.stdout), {
        valid: false,
        source: "server.json",
        summary: "1 problem",
        problems: [{ path: "port", expected: "a whole number from 0 to 65535", found: '"x"', hint: "" }]
      })
    })
  )

  it.effect("takes the flags of the server, and shows what they make", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run({ host: "a" }, { args: ["-c", "server.json", "-p", "9", "--log-level", "ERROR"] })
      assert.match(stdout, /^port +9 +--port$/m)
      assert.match(stdout, /^logger\.log_level +"ERROR" +--log-level$/m)
    })
  )
})

describe("check notes a key without effect", () => {
  it.effect("that any source has set, unless it has its default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* notes(
          { hyper_parameters: { connection_buffer_size: 128 } },
          { SUMMONER_HYPER_PARAMETERS_COMMAND_BUFFER_SIZE: "1" }
        ),
        [
          "hyper_parameters.connection_buffer_size: nothing in this server needs it",
          "hyper_parameters.command_buffer_size: nothing in this server needs it"
        ]
      )
    })
  )

  it.effect("because of its profile, its switch or a stronger key", () =>
    Effect.gen(function* () {
      const policy = {
        enable_throttle: false,
        throttle_threshold: 5,
        enable_disconnect: false,
        disconnect_threshold: 9
      }
      assert.sameMembers(
        yield* notes({
          logger: { max_file_size: 5, log_format: "x", log_level: "INFO" },
          hyper_parameters: {
            throttle_delay_ms: 5,
            flow_control_delay_ms: 5,
            client_timeout_secs: null,
            timeout_check_interval_secs: 5,
            quarantine_cooldown_secs: 0,
            quarantine_scope: "ip",
            worker_threads: 1,
            backpressure_policy: policy
          }
        }),
        [
          "logger.log_format: logger.enable_file_log is false",
          "logger.max_file_size: logger.enable_file_log is false",
          "hyper_parameters.backpressure_policy.throttle_threshold: hyper_parameters.backpressure_policy.enable_throttle is false",
          "hyper_parameters.throttle_delay_ms: hyper_parameters.backpressure_policy.enable_throttle is false",
          "hyper_parameters.backpressure_policy.disconnect_threshold: hyper_parameters.backpressure_policy.enable_disconnect is false",
          "hyper_parameters.timeout_check_interval_secs: hyper_parameters.client_timeout_secs is null",
          "hyper_parameters.quarantine_scope: hyper_parameters.quarantine_cooldown_secs is 0"
        ]
      )
    })
  )

  it.effect("in the Python profile, for all of the protections and nothing else", () =>
    Effect.gen(function* () {
      const found = yield* notes({
        version: "python",
        host: "::1",
        hyper_parameters: {
          rate_limit_msgs_per_minute: 1,
          client_timeout_secs: 1,
          quarantine_cooldown_secs: 1,
          max_clients: 5,
          backpressure_policy: { enable_throttle: false, throttle_threshold: 1 },
          slow_consumer: { stall_grace_ms: 1 }
        }
      })
      assert.sameMembers(
        found,
        [
          "rate_limit_msgs_per_minute",
          "client_timeout_secs",
          "quarantine_cooldown_secs",
          "backpressure_policy.enable_throttle",
          "backpressure_policy.throttle_threshold"
        ].map((name) => `hyper_parameters.${name}: version is "python"`)
      )
    })
  )

  it.effect("of the logger that shows nowhere", () =>
    Effect.gen(function* () {
      assert.sameMembers(
        yield* notes({ logger: { enable_console_log: false, console_log_format: "x", log_level: "INFO" } }),
        ["console_log_format", "log_level"].map(
          (name) => `logger.${name}: logger.enable_console_log is false and logger.enable_file_log is false`
        )
      )
      assert.sameMembers(
        yield* notes({
          logger: { enable_file_log: true, enable_json_log: true, log_format: "x", backup_count: 0, max_file_size: 5 }
        }),
        ["logger.log_format: logger.enable_json_log is true", "logger.max_file_size: logger.backup_count is 0"]
      )
    })
  )

  it.effect("of a whole group that is off, but not for the key that turns it off", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* notes({ cluster: { nats: { servers: null, tls: { ca: "ca.pem" } } } }), [
        "cluster.nats.tls.ca: cluster.nats.servers is null"
      ])
    })
  )

  it.effect("only under conditions that can come true: they name keys, with values that these take", () =>
    Effect.gen(function* () {
      const conditions = keys().flatMap(({ noEffectIf }) => noEffectIf)
      assert.isAbove(conditions.length, 50)
      for (const condition of conditions) {
        const config = Object.entries(condition).reduce((all, [path, value]) => merge(all, only(path, value)), {})
        const { values } = yield* decode(config, "condition")
        for (const [path, value] of Object.entries(condition)) assert.strictEqual(valueAt(values, path), value, path)
      }
    })
  )
})
