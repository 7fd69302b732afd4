import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { only, valueAt } from "../../src/config/ConfigPath.ts"
import { jsonSyntaxError } from "../../src/config/JsonSyntaxError.ts"
import {
  ConfigError,
  decode,
  defaults,
  type Key,
  keys,
  load,
  profileOf,
  ServerConfig,
  settableKeys,
  Values
} from "../../src/config/ServerConfig.ts"
import { configuration } from "../support/Configurations.ts"
import { runs } from "../support/runs.ts"

const SOURCE = "server.json"

const values = (input: unknown) => Effect.map(decode(input, SOURCE), (loaded) => loaded.values)

const issues = (input: unknown) => Effect.map(Effect.flip(decode(input, SOURCE)), (error) => error.issues)

const assertOnlyIssue = Effect.fnUntraced(function* (input: unknown, expected: Partial<ConfigError["issues"][number]>) {
  const found = yield* issues(input)
  assert.strictEqual(found.length, 1, JSON.stringify(found))
  assert.deepInclude(found[0]!, expected)
})

const temporaryDirectory = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "server-config-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true }))
)

const writeConfig = Effect.fnUntraced(function* (content: string | Uint8Array) {
  const path = join(yield* temporaryDirectory, "server.json")
  yield* Effect.promise(() => writeFile(path, content))
  return path
})

const leaves = keys().filter(({ isGroup, path }) => !isGroup && path !== "$schema")

const wrongFor = ({ default: value, isText, path }: Key): ReadonlyArray<unknown> => {
  switch (isText || path === "cluster.nats.servers" ? "string" : typeof value) {
    case "number":
      return ["5", true, 1.5, [], {}]
    case "boolean":
      return ["true", 1, null, [], {}]
    case "string":
      return [5, true, [], {}]
    default:
      return ["5", true, 1.5, {}]
  }
}

const withHardLimit = (hard_limit_bytes: number) => ({
  hyper_parameters: { slow_consumer: { hard_limit_bytes } }
})

const position = (line: number, column: number) => `line ${line}, column ${column}`

const recordWarnings = (warnings: Array<unknown>) =>
  Logger.layer([
    Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(...(message as ReadonlyArray<unknown>))
    })
  ])

/** `(line 3 column 1)`, where this release of Node says it. */
const whereParseStops = (text: string): string | undefined => {
  try {
    JSON.parse(text)
    return undefined
  } catch (cause) {
    return /\(line \d+ column \d+\)/.exec(String(cause))?.[0]
  }
}

describe("the defaults of the configuration", () => {
  const documented = {
    host: "127.0.0.1",
    port: 8888,
    version: "rust",
    logger: {
      log_level: "DEBUG",
      enable_console_log: true,
      console_log_format: "\u001b[92m%(asctime)s\u001b[0m - \u001b[94m%(name)s\u001b[0m - %(levelname)s - %(message)s",
      enable_json_console: false,
      enable_file_log: false,
      log_file_path: "",
      enable_json_log: false,
      log_format: "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
      date_format: "%Y-%m-%d %H:%M:%S.%3f",
      max_file_size: 1_000_000,
      backup_count: 3,
      log_keys: null
    },
    hyper_parameters: {
      rate_limit_msgs_per_minute: 300,
      rate_limit_scope: "connection",
      client_timeout_secs: 300,
      timeout_check_interval_secs: 30,
      quarantine_cooldown_secs: 300,
      quarantine_cleanup_interval_secs: 60,
      quarantine_scope: "ip",
      throttle_delay_ms: 200,
      flow_control_delay_ms: 1000,
      accept_error_backoff_ms: 100,
      worker_threads: 1,
      max_line_bytes: 65_536,
      listen_backlog: 4096,
      max_clients: 100_000,
      max_clients_per_ip: null,
      allow: null,
      deny: [],
      trusted_proxies: [],
      shutdown_grace_ms: 2000,
      connection_buffer_size: 128,
      command_buffer_size: 32,
      control_channel_capacity: 8,
      queue_monitor_capacity: 100,
      backpressure_policy: {
        enable_throttle: true,
        throttle_threshold: 100,
        enable_flow_control: true,
        flow_control_threshold: 300,
        enable_disconnect: true,
        disconnect_threshold: 500
      },
      slow_consumer: {
        policy: "disconnect",
        soft_limit_bytes: 1_048_576,
        hard_limit_bytes: 33_554_432,
        stall_grace_ms: 100,
        eviction_grace_ms: 3000
      }
    },
    history: { lines: 0, seconds: null, bytes: 262_144 },
    tls: { cert: null, key: null, ca: null, request_client_cert: false, min_version: "TLSv1.2" },
    websocket: { host: null, port: null, path: "/", origins: [], page: false, max_clients: null, compression: "off" },
    admin: { host: "127.0.0.1", port: null, token: null, token_for_reading: false },
    otlp: { endpoint: null },
    cluster: {
      nats: {
        servers: null,
        subject: "summoner.room",
        tls: { ca: null, cert: null, key: null },
        credentials: null,
        name: null,
        connect: "wait",
        max_pending_bytes: 8_388_608
      }
    }
  }

  it("are the documented ones", () => {
    assert.deepStrictEqual(defaults, documented as Values)
  })

  const forms: ReadonlyArray<readonly [string, unknown]> = [
    ["nothing at all", {}],
    ["empty groups", { logger: {}, hyper_parameters: { backpressure_policy: {}, slow_consumer: {} } }],
    ["null for the groups", { logger: null, hyper_parameters: null }],
    ["null for the inner groups", { hyper_parameters: { backpressure_policy: null, slow_consumer: null } }],
    ["null for host and port", { host: null, port: null }],
    ["options left undefined by a program", { port: undefined, logger: { log_level: undefined } }]
  ]
  it.effect.each(forms)("stand in for %s", ([, input]) =>
    Effect.gen(function* () {
      const loaded = yield* decode(input, SOURCE)
      assert.deepStrictEqual(loaded, { values: documented as Values, warnings: [] })
    })
  )

  it.effect("stand in for the missing keys of a group that has others", () =>
    Effect.gen(function* () {
      const { hyper_parameters } = yield* values({ hyper_parameters: { slow_consumer: { stall_grace_ms: 5 } } })
      assert.deepStrictEqual(hyper_parameters, {
        ...defaults.hyper_parameters,
        slow_consumer: { ...defaults.hyper_parameters.slow_consumer, stall_grace_ms: 5 }
      })
    })
  )
})

describe("configured values", () => {
  it.effect("of the originals' template are kept", () =>
    Effect.gen(function* () {
      const template = {
        host: "0.0.0.0",
        port: 9999,
        version: "rust_v1.1.0",
        logger: {
          log_level: "INFO",
          enable_console_log: false,
          console_log_format: "%(message)s",
          enable_file_log: true,
          enable_json_log: true,
          log_file_path: "logs/",
          log_format: "%(name)s",
          max_file_size: 2_000_000,
          backup_count: 5,
          date_format: "%Y-%m-%d %H:%M:%S.%f",
          log_keys: ["from", "to"]
        },
        hyper_parameters: {
          connection_buffer_size: 256,
          command_buffer_size: 64,
          control_channel_capacity: 16,
          queue_monitor_capacity: 200,
          client_timeout_secs: null,
          rate_limit_msgs_per_minute: 240_000,
          timeout_check_interval_secs: 20,
          accept_error_backoff_ms: 50,
          quarantine_cooldown_secs: 600,
          quarantine_cleanup_interval_secs: 70,
          throttle_delay_ms: 300,
          flow_control_delay_ms: 400,
          worker_threads: 4,
          backpressure_policy: {
            enable_throttle: false,
            throttle_threshold: 50,
            enable_flow_control: false,
            flow_control_threshold: 150,
            enable_disconnect: false,
            disconnect_threshold: 3000
          }
        }
      }
      const loaded = yield* decode(template, SOURCE)
      assert.deepStrictEqual<unknown>(loaded.values, {
        ...defaults,
        ...template,
        logger: { ...defaults.logger, ...template.logger },
        hyper_parameters: {
          ...defaults.hyper_parameters,
          ...template.hyper_parameters
        }
      })
      assert.deepStrictEqual(loaded.warnings, [])
    })
  )

  it.effect("may come with a $schema for editors", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* values({ $schema: "./schema.json", port: 1 })).port, 1)
      yield* assertOnlyIssue({ $schema: 1 }, { path: "$schema", expected: "a string", found: "1" })
    })
  )

  it.effect("as large as 4294967295 are fine for everything without an upper bound", () =>
    Effect.gen(function* () {
      const unbounded = leaves.filter(({ expected }) => expected.endsWith("or more"))
      assert.isAbove(unbounded.length, 20)
      for (const { path } of unbounded) {
        const huge = path.endsWith("soft_limit_bytes")
          ? {
              hyper_parameters: { slow_consumer: { soft_limit_bytes: 4_294_967_295, hard_limit_bytes: 4_294_967_295 } }
            }
          : only(path, 4_294_967_295)
        assert.strictEqual(valueAt(yield* values(huge), path), 4_294_967_295, path)
      }
    })
  )

  it.effect("are not taken from a changed input: the input stays as it was", () =>
    Effect.gen(function* () {
      const input = { logger: { log_keys: "" }, hyper_parameters: { host: "::1", port: 1 } }
      const before = structuredClone(input)
      yield* values(input)
      assert.deepStrictEqual(input, before)
    })
  )

  it.effect.prop(
    "survive being written to a file and read again",
    { config: configuration },
    ({ config }) =>
      Effect.gen(function* () {
        const written = yield* Schema.encodeEffect(Values)(config)
        const { values, warnings } = yield* decode(JSON.parse(JSON.stringify(written)), SOURCE)
        assert.deepStrictEqual(warnings, [])
        assert.deepStrictEqual(yield* Schema.encodeEffect(Values)(values), JSON.parse(JSON.stringify(written)))
      }),
    runs(30)
  )
})

describe("the key version", () => {
  it.effect.each([
    ["rust", "rust"],
    ["rust_v1.0.0", "rust"],
    ["rust_v", "rust"],
    ["python", "python"]
  ] as const)("%s selects the %s profile and is kept", ([version, profile]) =>
    Effect.gen(function* () {
      const { version: decoded } = yield* values({ version })
      assert.strictEqual(decoded, version)
      assert.strictEqual(profileOf(decoded), profile)
    })
  )

  it("selects the rust profile when it is absent", () => {
    assert.strictEqual(profileOf(defaults.version), "rust")
  })

  it.effect.each(["rss_3", "rust2", "Rust", "", "python_v1", 1, null])(
    "refuses %j and lists what it accepts",
    (version) =>
      assertOnlyIssue(
        { version },
        {
          path: "version",
          expected: '"rust", "python" or a name that begins with "rust_v"',
          found: JSON.stringify(version)
        }
      )
  )
})

/** What may stand where an object should, and what is said of it: parts of it may be secrets. */
const NO_OBJECTS = [
  [1, "1"],
  ["x", "a string"],
  [true, "true"],
  [[], "[]"],
  [[{ token: "x" }], "a list"]
] as const

describe("problems of a configuration", () => {
  it.effect("are reported all at once, with path, expectation and finding", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        decode(
          {
            host: 3,
            port: 65_536,
            verison: "rust",
            logger: { log_level: "LOUD", enable_file_log: "yes", log_keys: ["a", 1] },
            hyper_parameters: {
              rate_limit_msgs_per_minute: 0,
              client_timeout_secs: -1,
              tls: {},
              backpressure_policy: [],
              slow_consumer: { soft_limit_bytes: 100_000, hard_limit_bytes: 99_999 }
            }
          },
          "etc/server.json"
        )
      )
      assert.instanceOf(error, ConfigError)
      assert.strictEqual(error._tag, "ConfigError")
      assert.strictEqual(error.source, "etc/server.json")
      const [headline, ...lines] = error.message.split("\n")
      assert.strictEqual(headline, "etc/server.json: 11 problems")
      assert.sameMembers(lines, [
        "  host: expected a host name or an IP address, found 3",
        "  port: expected a whole number from 0 to 65535, found 65536",
        '  verison: expected a known key, found unknown key "verison"; did you mean version?',
        '  logger.log_level: expected one of "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", found "LOUD"',
        '  logger.enable_file_log: expected true or false, found "yes"',
        "  logger.log_keys[1]: expected a string, found 1",
        "  hyper_parameters.rate_limit_msgs_per_minute: expected a whole number, 1 or more, found 0",
        "  hyper_parameters.client_timeout_secs: expected null or a whole number, 1 or more, found -1",
        '  hyper_parameters.tls: expected a known key, found unknown key "tls"; did you mean tls?',
        "  hyper_parameters.backpressure_policy: expected an object, found []",
        "  hyper_parameters.slow_consumer.hard_limit_bytes: expected soft_limit_bytes (100000) or more, found 99999"
      ])
    })
  )

  it.effect("say what a key of the wrong type should be, for every key", () =>
    Effect.gen(function* () {
      for (const key of leaves) {
        for (const wrong of wrongFor(key)) {
          const found = key.isSecret ? "(hidden)" : JSON.stringify(wrong)
          yield* assertOnlyIssue(only(key.path, wrong), {
            path: key.path,
            expected: key.expected,
            found,
            hint: ""
          })
        }
      }
    })
  )

  it.effect("include a group that is no object, for every group", () =>
    Effect.gen(function* () {
      for (const { path } of keys().filter(({ isGroup }) => isGroup)) {
        for (const [wrong, found] of NO_OBJECTS) {
          yield* assertOnlyIssue(only(path, wrong), { path, expected: "an object", found })
        }
      }
    })
  )

  it.effect("include a configuration that is no object", () =>
    Effect.gen(function* () {
      for (const [input, found] of [...NO_OBJECTS, [null, "null"], [undefined, "undefined"]] as const) {
        yield* assertOnlyIssue(input, { path: "(top level)", expected: "an object", found })
      }
    })
  )

  it.effect("include null where it means nothing", () =>
    Effect.gen(function* () {
      const nullable = new Set([
        "host",
        "port",
        "logger.log_keys",
        "hyper_parameters.client_timeout_secs",
        "hyper_parameters.max_clients_per_ip",
        ...leaves.flatMap(({ default: value, path }) => (value === null ? [path] : []))
      ])
      for (const { path } of leaves.filter(({ path }) => !nullable.has(path))) {
        yield* assertOnlyIssue(only(path, null), { path, found: "null" })
      }
    })
  )

  it.effect("include a zero wherever it makes no sense, and only there", () =>
    Effect.gen(function* () {
      const sensible = new Set([
        "port",
        "logger.backup_count",
        "hyper_parameters.quarantine_cooldown_secs",
        "hyper_parameters.throttle_delay_ms",
        "hyper_parameters.flow_control_delay_ms",
        "hyper_parameters.shutdown_grace_ms",
        "hyper_parameters.slow_consumer.stall_grace_ms",
        "hyper_parameters.slow_consumer.eviction_grace_ms",
        "history.lines",
        "websocket.port",
        "admin.port"
      ])
      for (const { path, expected } of leaves.filter(({ expected }) => expected.includes("whole number"))) {
        if (sensible.has(path)) {
          assert.strictEqual(valueAt(yield* values(only(path, 0)), path), 0)
        } else {
          yield* assertOnlyIssue(only(path, 0), { path, expected, found: "0" })
        }
      }
    })
  )

  it.effect("name the item of a list", () =>
    Effect.gen(function* () {
      for (const [path, right] of [
        ["hyper_parameters.allow", ["10.0.0.0/8", "::1", "fe80::/10"]],
        ["hyper_parameters.deny", ["192.168.0.1"]],
        ["hyper_parameters.trusted_proxies", []]
      ] as const) {
        yield* values(only(path, right))
        for (const wrong of ["10.0.0.0/33", "10.0.0.1/8", "example.org", "10.0.0.0/", ""]) {
          yield* assertOnlyIssue(only(path, [...right, wrong]), {
            path: `${path}[${right.length}]`,
            expected: 'an IP address or a CIDR range such as "10.0.0.0/8"',
            found: JSON.stringify(wrong)
          })
        }
      }
    })
  )

  it.effect("include a range with host bits, and name the one that was meant", () =>
    Effect.gen(function* () {
      for (const [given, meant] of [
        ["10.0.0.1/8", "10.0.0.0/8"],
        ["2001:DB8::1/32", "2001:db8::/32"]
      ]) {
        yield* assertOnlyIssue(
          { hyper_parameters: { allow: [given] } },
          { path: "hyper_parameters.allow[0]", hint: `host bits are set; did you mean ${meant}?` }
        )
      }
      for (const given of ["10.0.0.1/33", "10.0.0/8", "example.org/8"]) {
        yield* assertOnlyIssue({ hyper_parameters: { deny: [given] } }, { path: "hyper_parameters.deny[0]", hint: "" })
      }
    })
  )

  it.effect("include half a pair of certificate and key, and client certificates from nobody", () =>
    Effect.gen(function* () {
      yield* values({ tls: { cert: "a", key: "b" } })
      yield* values({ tls: { cert: "a", key: "b", ca: "c", request_client_cert: "optional" } })
      yield* assertOnlyIssue({ tls: { cert: "a" } }, { path: "tls.key", expected: "the private key of tls.cert" })
      yield* assertOnlyIssue({ tls: { key: "a" } }, { path: "tls.cert", expected: "the certificate of tls.key" })
      yield* assertOnlyIssue(
        { tls: { cert: "a", key: "b", request_client_cert: true } },
        { path: "tls.ca", expected: "the authorities that client certificates must come from" }
      )
      yield* assertOnlyIssue({ tls: { request_client_cert: true } }, { path: "tls.cert" })
    })
  )

  it.effect("include an admin port that others can reach without a token", () =>
    Effect.gen(function* () {
      for (const host of ["127.0.0.1", "127.3.2.1", "::1", "localhost", "LocalHost"]) {
        yield* values({ admin: { host, port: 1 } })
      }
      for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org", "127.0.0.1.example.org"]) {
        yield* values({ admin: { host } })
        yield* values({ admin: { host, port: 1, token: "secret" } })
        yield* assertOnlyIssue(
          { admin: { host, port: 1 } },
          { path: "admin.token", expected: `a token, because admin.host ("${host}") is no loopback address` }
        )
      }
    })
  )

  it.effect("begin just outside the bounds", () =>
    Effect.gen(function* () {
      const bounds: ReadonlyArray<readonly [path: string, minimum: number, maximum: number]> = [
        ["port", 0, 65_535],
        ["hyper_parameters.max_line_bytes", 256, 16_777_216],
        ["hyper_parameters.listen_backlog", 1, 65_535]
      ]
      for (const [path, minimum, maximum] of bounds) {
        for (const inside of [minimum, maximum]) {
          assert.strictEqual(valueAt(yield* values(only(path, inside)), path), inside)
        }
        for (const outside of [minimum - 1, maximum + 1]) {
          yield* assertOnlyIssue(only(path, outside), {
            path,
            expected: `a whole number from ${minimum} to ${maximum}`,
            found: String(outside)
          })
        }
      }
    })
  )

  it.effect("include a hard limit below the default soft limit, and not one that equals it", () =>
    Effect.gen(function* () {
      yield* values(withHardLimit(1_048_576))
      yield* assertOnlyIssue(withHardLimit(1_048_575), {
        path: "hyper_parameters.slow_consumer.hard_limit_bytes",
        expected: "soft_limit_bytes (1048576) or more",
        found: "1048575"
      })
    })
  )

  it.effect.each([
    [{ admin: { port: 8888 } }, "admin.port", "port"],
    [{ port: 9000, websocket: { port: 9000 } }, "websocket.port", "port"],
    [
      { port: 9000, websocket: { port: 9001, host: "0:0::1" }, admin: { port: 9001, host: "::1" } },
      "admin.port",
      "websocket.port"
    ],
    [{ host: "0.0.0.0", admin: { port: 8888 } }, "admin.port", "port"],
    [{ admin: { port: 8888, host: "0.0.0.0", token: "t" } }, "admin.port", "port"],
    [{ host: "::", admin: { port: 8888 } }, "admin.port", "port"],
    [{ host: "0.0.0.0", websocket: { host: "::", port: 8888 } }, "websocket.port", "port"],
    [{ host: "localhost", websocket: { host: "LOCALHOST", port: 8888 } }, "websocket.port", "port"]
  ] as const)("include a port that another key has: %j", ([input, path, other]) =>
    assertOnlyIssue(input, { path, expected: `another one than ${other} on the same host` })
  )

  it.effect.each([
    { port: 0, websocket: { port: 0 }, admin: { port: 0 } },
    { port: 8888, admin: { port: 8889 } },
    { host: "127.0.0.2", admin: { port: 8888 } },
    { host: "0.0.0.0", websocket: { host: "::1", port: 8888 } }
  ])("do not include ports that do not meet: %j", (input) => values(input))

  it.effect("show at most 60 characters of what was found", () =>
    Effect.gen(function* () {
      const [issue] = yield* issues({ port: "8".repeat(1000) })
      assert.strictEqual(issue!.found, `"${"8".repeat(58)}…`)
    })
  )

  it.effect("show values that JSON cannot express", () =>
    Effect.gen(function* () {
      yield* assertOnlyIssue({ port: 1n }, { path: "port", found: "[object BigInt]" })
      yield* assertOnlyIssue({ port: Number.NaN }, { path: "port", found: "NaN" })
    })
  )
})

describe("unknown keys of a configuration", () => {
  it.effect.each([
    ["a typo", "hyper_parameters.rate_limt_msgs_per_minute", "hyper_parameters.rate_limit_msgs_per_minute"],
    ["exchanged letters", "prot", "port"],
    ["another style", "logger.logLevel", "logger.log_level"],
    ["upper case", "logger.LOG_LEVEL", "logger.log_level"],
    ["a letter short", "logger.log_forma", "logger.log_format"],
    [
      "a part of several names",
      "hyper_parameters.slow_consumer.limit",
      "hyper_parameters.slow_consumer.soft_limit_bytes"
    ],
    ["a part of the name", "hyper_parameters.rate_limit", "hyper_parameters.rate_limit_msgs_per_minute"],
    ["a group with a typo", "hyper_paramters", "hyper_parameters"],
    ["a key of an inner group", "hyper_parameters.slow_consumer.polcy", "hyper_parameters.slow_consumer.policy"],
    ["a key of another group", "rate_limit_msgs_per_minute", "hyper_parameters.rate_limit_msgs_per_minute"],
    ["a key of the group above", "logger.port", "port"],
    ["a key of a group below", "throttle_threshold", "hyper_parameters.backpressure_policy.throttle_threshold"],
    ["a typo beside its right group", "throttle_delay", "hyper_parameters.throttle_delay_ms"]
  ])("lead to the nearest known one: %s", ([, path, nearest]) =>
    assertOnlyIssue(only(path, 1), {
      path,
      expected: "a known key",
      found: `unknown key "${path.split(".").at(-1)}"`,
      hint: `did you mean ${nearest}?`
    })
  )

  it.effect.each(["xyz", "toString", "constructor"])(
    "that resemble no known one come without a suggestion: %s",
    (name) => assertOnlyIssue({ [name]: {} }, { path: name, hint: "" })
  )

  it.effect("are found by any name, even one that means something to JavaScript", () =>
    Effect.gen(function* () {
      yield* assertOnlyIssue(JSON.parse('{"__proto__": {"port": 1}}'), { path: "__proto__" })
      yield* assertOnlyIssue({ "a b": 1 }, { path: '["a b"]' })
      yield* assertOnlyIssue({ logger: { "": 1 } }, { path: 'logger[""]' })
    })
  )
})

describe("older forms of a configuration", () => {
  it.effect("of host and port, inside hyper_parameters, are used with a warning", () =>
    Effect.gen(function* () {
      const loaded = yield* decode({ host: null, hyper_parameters: { host: "0.0.0.0", port: 8080 } }, SOURCE)
      assert.deepStrictEqual(loaded, {
        values: { ...defaults, host: "0.0.0.0", port: 8080 },
        warnings: [
          "server.json: hyper_parameters.host is an older form: move it to the top level, as host",
          "server.json: hyper_parameters.port is an older form: move it to the top level, as port"
        ]
      })
    })
  )

  it.effect("of host and port give way to the top level", () =>
    Effect.gen(function* () {
      const loaded = yield* decode({ port: 1, hyper_parameters: { port: 2 } }, SOURCE)
      assert.deepStrictEqual(loaded, {
        values: { ...defaults, port: 1 },
        warnings: [
          "server.json: hyper_parameters.port is an older form and ignored in favour of port at the top level: remove it"
        ]
      })
    })
  )

  it.effect("of host and port are checked, and reported where they stand", () =>
    assertOnlyIssue({ hyper_parameters: { port: 65_536 } }, { path: "hyper_parameters.port", found: "65536" })
  )

  it.effect("of log_keys, an empty string, means null with a warning", () =>
    Effect.gen(function* () {
      const loaded = yield* decode({ logger: { log_keys: "" } }, SOURCE)
      assert.deepStrictEqual(loaded, {
        values: defaults,
        warnings: ['server.json: logger.log_keys: "" is an older form: write null']
      })
    })
  )

  it.effect.each(["WARN", "warn"])("of log_level that the originals took are understood, with a warning: %s", (given) =>
    Effect.gen(function* () {
      const loaded = yield* decode({ logger: { log_level: given } }, SOURCE)
      assert.strictEqual(loaded.values.logger.log_level, "WARNING")
      assert.deepStrictEqual(loaded.warnings, [
        `server.json: logger.log_level: "${given}" is an older form: write "WARNING"`
      ])
    })
  )
})

describe("a level of the log", () => {
  it.effect.each([
    ["info", "INFO"],
    ["Critical", "CRITICAL"],
    ["wArNiNg", "WARNING"]
  ])("may be written in any case: %s", ([given, level]) =>
    Effect.gen(function* () {
      const loaded = yield* decode({ logger: { log_level: given } }, SOURCE)
      assert.strictEqual(loaded.values.logger.log_level, level)
      assert.deepStrictEqual(loaded.warnings, [])
    })
  )
})

describe("invalid JSON in a configuration", () => {
  const cases: ReadonlyArray<readonly [name: string, content: string, path: string, message: string]> = [
    ["an empty file", "", position(1, 1), "expected a value, found an empty file"],
    ["a blank file", " \n\n", position(3, 1), "expected a value, found an empty file"],
    [
      "a truncated object",
      '{\n  "port": 8888,\n',
      position(3, 1),
      "expected a key in double quotes, found the end of the file"
    ],
    [
      "a truncated value",
      '{"logger": {"log_keys": ["a"',
      position(1, 29),
      'expected "," or "]", found the end of the file'
    ],
    [
      "a truncated string",
      '{\n "host": "127',
      position(2, 14),
      'expected the closing " of a string, found the end of the file'
    ],
    [
      "a string over two lines",
      '{"host": "127\n"}',
      position(1, 14),
      'expected the closing " of a string, found the end of the line'
    ],
    [
      "a trailing comma in an object",
      '{\n  "port": 8888,\n}',
      position(3, 1),
      'expected a key in double quotes, found "}"; remove the comma before "}"'
    ],
    ["a trailing comma in a list", "[1,]", position(1, 4), 'expected a value, found "]"; remove the comma before "]"'],
    [
      "a missing comma",
      '{\r\n  "port": 8888\r\n  "host": "::1"\r\n}',
      position(3, 3),
      'expected "," or "}", found a string'
    ],
    ["a missing colon", '{"port" 8888}', position(1, 9), 'expected ":", found (hidden)'],
    [
      "a key without quotes",
      "{\n\tport: 8888}",
      position(2, 2),
      'expected a key in double quotes or "}", found "port"'
    ],
    [
      "single quotes",
      "{'port': 8888}",
      position(1, 2),
      `expected a key in double quotes or "}", found "'port'"; JSON strings are in double quotes`
    ],
    [
      "a comment",
      '{\n  "port": 1 // mine\n}',
      position(2, 13),
      'expected "," or "}", found a comment; JSON has no comments'
    ],
    [
      "a string without quotes",
      '{"host": localhost}',
      position(1, 10),
      "expected a value, found (hidden); strings are in double quotes"
    ],
    ["a literal of Python", '{"enable_file_log": True}', position(1, 21), 'expected a value, found "True"'],
    [
      "a backslash in a path",
      '{"log_file_path": "C:\\logs"}',
      position(1, 22),
      'expected a valid escape such as \\n, \\" or \\\\, found "\\\\"'
    ],
    [
      "more levels than any configuration has",
      `${"[".repeat(100_000)}x`,
      position(1, 101),
      "expected at most 100 objects and lists in each other, found another one"
    ],
    ["something after the end", "{}\n{}", position(2, 1), 'expected the end of the file, found "{"']
  ]
  it.effect.each(cases)("is reported with line and column: %s", ([, content, path, message]) =>
    Effect.gen(function* () {
      const file = yield* writeConfig(content)
      const error = yield* Effect.flip(load(file))
      assert.strictEqual(error.message, `${file}: invalid JSON\n  ${path}: ${message}`)
    })
  )

  it.effect.each(["port: 1\n", "# mine\n\nlogger:\n  log_level: INFO\n", "---\n{}\n"])(
    "is called YAML where it is: %j",
    (content) =>
      Effect.gen(function* () {
        const { issues, summary } = yield* Effect.flip(load(yield* writeConfig(content)))
        assert.deepStrictEqual([summary, issues.length], ["YAML, where JSON is read", 1])
      })
  )

  it("is located where JSON.parse stops, for any misplaced punctuation", () => {
    const valid = JSON.stringify({ host: "h", logger: { log_keys: ["a", "b"], x: {} }, list: [1, true, null] }, null, 2)
    let compared = 0
    for (let at = 0; at <= valid.length; at++) {
      for (const inserted of ["", "{", "}", "[", "]", ",", ":"]) {
        const text = valid.slice(0, at) + inserted + valid.slice(inserted === "" ? at + 1 : at)
        const stoppedAt = whereParseStops(text)
        if (stoppedAt === undefined) continue
        compared += 1
        const [issue] = jsonSyntaxError("server.json", text).issues
        assert.strictEqual(`(${issue!.path.replace(",", "")})`, stoppedAt, text)
      }
    }
    assert.isAbove(compared, 100)
  })
})

describe("a configuration file", () => {
  it.effect("is read, and named in its warnings", () =>
    Effect.gen(function* () {
      const file = yield* writeConfig('{ "port": 1, "port": 2, "logger": { "log_keys": "" } }')
      const loaded = yield* load(file)
      assert.strictEqual(loaded.values.port, 2)
      assert.deepStrictEqual(loaded.warnings, [`${file}: logger.log_keys: "" is an older form: write null`])
    })
  )

  it.effect("may begin with a byte order mark", () =>
    Effect.gen(function* () {
      const file = yield* writeConfig('\ufeff{ "port": 1 }')
      assert.strictEqual((yield* load(file)).values.port, 1)
    })
  )

  const assertUnreadable = Effect.fnUntraced(function* (path: string, reason: string) {
    const error = yield* Effect.flip(load(path))
    assert.strictEqual(error.message, `${path}: cannot be read: ${reason}`)
  })

  it.effect("that is missing is reported in one line", () =>
    Effect.gen(function* () {
      yield* assertUnreadable(join(yield* temporaryDirectory, "missing.json"), "no such file")
    })
  )

  it.effect("that is a directory is reported in one line", () =>
    Effect.gen(function* () {
      yield* assertUnreadable(yield* temporaryDirectory, "it is a directory")
    })
  )

  it.effect("that is not UTF-8 is reported in one line", () =>
    Effect.gen(function* () {
      yield* assertUnreadable(yield* writeConfig(Buffer.from("\ufeff{}", "utf16le")), "it is not UTF-8 text")
    })
  )

  it.effect.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
    "that is not ours to read is reported",
    () =>
      Effect.gen(function* () {
        const file = yield* writeConfig("{}")
        yield* Effect.promise(() => chmod(file, 0))
        yield* assertUnreadable(file, "permission denied")
      })
  )

  it.effect("of this package is valid, and needs no change", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* load("server.json")).warnings, [])
    })
  )
})

describe("the layers of ServerConfig", () => {
  it.effect("provide a file's configuration and log its warnings", () =>
    Effect.gen(function* () {
      const file = yield* writeConfig('{ "hyper_parameters": { "port": 1 } }')
      const warnings: Array<unknown> = []
      const { port } = yield* Effect.provide(
        ServerConfig,
        Layer.provide(ServerConfig.layerFile(file), recordWarnings(warnings))
      )
      assert.strictEqual(port, 1)
      assert.deepStrictEqual(warnings, [
        `${file}: hyper_parameters.port is an older form: move it to the top level, as port`
      ])
    })
  )

  it.effect("fail with what is wrong with a file", () =>
    Effect.gen(function* () {
      const file = yield* writeConfig('{ "port": "1" }')
      const error = yield* Effect.flip(Effect.provide(ServerConfig, ServerConfig.layerFile(file)))
      assert.strictEqual(
        error.message,
        `${file}: 1 problem\n  port: expected a whole number from 0 to 65535, found "1"`
      )
    })
  )

  it.effect("provide a program's configuration, checked", () =>
    Effect.gen(function* () {
      const provided = yield* Effect.provide(ServerConfig, ServerConfig.layerValue({ port: 1 }, "configDict"))
      assert.deepStrictEqual(provided, { ...defaults, port: 1 })
      const error = yield* Effect.flip(Effect.provide(ServerConfig, ServerConfig.layerValue([], "configDict")))
      assert.strictEqual(error.message, "configDict: 1 problem\n  (top level): expected an object, found []")
    })
  )

  it.effect("provide the defaults to tests, except as given, out of bounds too", () =>
    Effect.gen(function* () {
      const config = yield* Effect.provide(ServerConfig, ServerConfig.layerTest())
      assert.deepStrictEqual(config, defaults)
      // A test that changes its configuration changes no other.
      assert.notStrictEqual(config.hyper_parameters, defaults.hyper_parameters)
      const { hyper_parameters, logger } = yield* Effect.provide(
        ServerConfig,
        ServerConfig.layerTest({
          logger: { log_keys: ["a"] },
          hyper_parameters: { max_line_bytes: 10, slow_consumer: { policy: "drop_oldest" } }
        })
      )
      assert.deepStrictEqual(logger, { ...defaults.logger, log_keys: ["a"] })
      assert.deepStrictEqual(hyper_parameters, {
        ...defaults.hyper_parameters,
        max_line_bytes: 10,
        slow_consumer: { ...defaults.hyper_parameters.slow_consumer, policy: "drop_oldest" }
      })
    })
  )
})

describe("docs/configuration.md", () => {
  /** The groups of its keys by their path, each with the lines below its heading. */
  const groups = Effect.promise(() => readFile("docs/configuration.md", "utf8")).pipe(
    Effect.map((document) =>
      document
        .split(/^## /m)
        .filter((section) => section.startsWith("Keys"))
        .flatMap((section) => section.split(/^### /m).slice(1))
        .map((section) => section.split("\n"))
        .map(([heading, ...lines]) => ({ prefix: heading === "Top level" ? "" : `${heading}.`, lines }))
    )
  )

  it.effect("has every key with its default, bounds, reload and meaning, in the order of the schema", () =>
    Effect.gen(function* () {
      const entries = (yield* groups).flatMap(({ lines, prefix }) =>
        lines.filter((line) => line.startsWith("- `")).map((line) => line.replace("`", `\`${prefix}`))
      )
      const expected = keys()
        .filter(({ isGroup }) => !isGroup)
        .map(({ path, expected, default: value, description, isReloadable }) => {
          const isPlain = expected === "a string" || expected === "true or false"
          const notes = [
            ...(value === undefined ? [] : [`\`${JSON.stringify(value)}\``]),
            ...(isPlain && value !== undefined ? [] : [expected.replace(/a whole number,? /, "")]),
            ...(isReloadable === true ? ["reload"] : [])
          ]
          return `- \`${path}\` (${notes.join("; ")}): ${description}`
        })
      // After the meaning an entry may say when to change the key.
      assert.deepStrictEqual(
        entries.map((entry, n) => entry.slice(0, expected[n]?.length)),
        expected
      )
    })
  )

  it.effect("names below a list keys that exist only", () =>
    Effect.gen(function* () {
      const known = new Set(settableKeys().map(({ path }) => path))
      for (const { lines, prefix } of yield* groups) {
        const advised = lines
          .flatMap((line) => /^(`[a-z_`, ]+):/.exec(line)?.[1] ?? [])
          .flatMap((names) => Array.from(names.matchAll(/`([a-z_]+)`/g), ([, name]) => `${prefix}${name}`))
        for (const path of advised) assert.isTrue(known.has(path), path)
      }
    })
  )
})

describe("the group websocket", () => {
  it.effect.each([false, "off"])("takes %s for the compression that there is not", (compression) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* values({ websocket: { compression } })).websocket.compression, compression)
      yield* assertOnlyIssue({ websocket: { compression: true } }, { path: "websocket.compression" })
    })
  )

  it.effect("says which origin is none, and what one looks like", () =>
    Effect.gen(function* () {
      const origins = ["https://chat.example.com", "http://localhost:8000", "null", "*"]
      assert.deepStrictEqual((yield* values({ websocket: { origins } })).websocket.origins, origins)
      for (const wrong of [
        "chat.example.com",
        "https://chat.example.com/",
        "https://Chat.example.com",
        "http://a:80"
      ]) {
        yield* assertOnlyIssue(
          { websocket: { origins: ["*", wrong] } },
          {
            path: "websocket.origins[1]",
            expected: 'an origin such as "https://chat.example.com", "null" or "*"',
            found: JSON.stringify(wrong)
          }
        )
      }
    })
  )

  it.effect("says that a path is none", () =>
    Effect.forEach(["chat", "", "/a b", "/a?b", "/a#b"], (path) =>
      assertOnlyIssue({ websocket: { path } }, { path: "websocket.path", found: JSON.stringify(path) })
    )
  )
})
