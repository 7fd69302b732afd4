import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { valueAt } from "../../src/config/ConfigPath.ts"
import * as ConfigSources from "../../src/config/ConfigSources.ts"
import * as ServerConfig from "../../src/config/ServerConfig.ts"
import { configuration } from "../support/Configurations.ts"
import * as Directory from "../support/Directory.ts"
import { boolean } from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const leaves = ServerConfig.keys().filter(({ isGroup, path }) => !isGroup && path !== "$schema")

/** The configuration of this file, these variables and these flags. */
const load = Effect.fnUntraced(function* (
  content: unknown,
  environment: Record<string, string> = {},
  flags: ReadonlyArray<ConfigSources.GivenFlag> = []
) {
  const file = join(yield* Directory.make({ "server.json": content }), "server.json")
  return yield* ConfigSources.load({ file, environment, flags })
})

/** What is wrong, with the name of the file in it cut short. */
const message = (effect: ReturnType<typeof load>) =>
  Effect.map(Effect.flip(effect), (error) => error.message.replaceAll(/\S*server\.json/g, "server.json"))

const withPaths = (entries: ReadonlyArray<readonly [path: string, value: unknown]>): object =>
  entries.reduce<object>(
    (config, [path, value]) =>
      ServerConfig.merge(
        config,
        path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object
      ),
    {}
  )

/** A value as one writes it in the environment. */
const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

const hostFlag = (value: string): ConfigSources.GivenFlag => ({ name: "--host", path: "host", value })

const serviceLinks = (service: string) => ({
  [`${service}_SERVICE_HOST`]: "10.0.0.1",
  [`${service}_SERVICE_PORT`]: "8888",
  [`${service}_SERVICE_PORT_RELAY`]: "8888",
  [`${service}_PORT`]: "tcp://10.0.0.1:8888",
  [`${service}_PORT_8888_TCP`]: "tcp://10.0.0.1:8888",
  [`${service}_PORT_8888_TCP_PROTO`]: "tcp",
  [`${service}_PORT_8888_TCP_PORT`]: "8888",
  [`${service}_PORT_8888_TCP_ADDR`]: "10.0.0.1"
})

describe("the precedence of configuration sources", () => {
  it.effect("is defaults, file, environment, flags, and each key says what set it", () =>
    Effect.gen(function* () {
      const content = { host: "file", port: 1, version: "python", logger: { log_level: "INFO" } }
      const environment = { SUMMONER_HOST: "variable", SUMMONER_PORT: "2" }
      const { origins, values } = yield* load(content, environment, [hostFlag("flag")])
      assert.deepStrictEqual(
        [values.host, values.port, values.version, values.logger.log_level, values.logger.backup_count],
        ["flag", 2, "python", "INFO", 3]
      )
      assert.deepStrictEqual(
        ["host", "port", "version", "logger.log_level", "logger.backup_count"].map((path) => origins.get(path)),
        ["--host", "SUMMONER_PORT", "file", "file", "default"]
      )
      assert.deepStrictEqual(
        [...origins.keys()],
        leaves.map(({ path }) => path)
      )
    })
  )

  it.effect("leaves null, and what was moved, to the right source", () =>
    Effect.gen(function* () {
      const content = { host: null, logger: null, hyper_parameters: { port: 5, client_timeout_secs: null } }
      const { origins, values, warnings } = yield* load(content, { SUMMONER_LOGGER_BACKUP_COUNT: "9" })
      assert.strictEqual(origins.get("host"), "default")
      assert.strictEqual(origins.get("port"), "file")
      assert.strictEqual(origins.get("hyper_parameters.client_timeout_secs"), "file")
      assert.strictEqual(values.logger.backup_count, 9)
      assert.strictEqual(values.port, 5)
      assert.match(warnings.join(), /^\S*server\.json: hyper_parameters\.port is an older form/)
    })
  )

  it.effect("is summed up for the log", () =>
    Effect.gen(function* () {
      const environment = { SUMMONER_PORT: "0", SUMMONER_LOGGER_LOG_LEVEL: "INFO", PATH: "/bin" }
      const { description, file } = yield* load({}, environment, [hostFlag("::1")])
      assert.strictEqual(description, `${file}, with SUMMONER_PORT, SUMMONER_LOGGER_LOG_LEVEL, --host`)
    })
  )
})

describe("an environment variable", () => {
  it("exists for every key, and for one only", () => {
    assert.strictEqual(new Set(leaves.map(({ path }) => ConfigSources.variableOf(path))).size, leaves.length)
    assert.strictEqual(
      ConfigSources.variableOf("hyper_parameters.slow_consumer.policy"),
      "SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_POLICY"
    )
  })

  const choices = Arbitrary.array(boolean, { minLength: leaves.length, maxLength: leaves.length })
  it.effect.prop(
    "means what the key means in the file, whichever keys are set where",
    { config: configuration, given: choices, moved: choices },
    ({ config, given, moved }) =>
      Effect.gen(function* () {
        const written = yield* Schema.encodeEffect(ServerConfig.Values)(config)
        const entries = leaves
          .map(({ path }) => [path, valueAt(written, path)] as const)
          .filter((_, index) => given[index])
        // An empty text cannot be told from a variable that is not set.
        const inEnvironment = entries.filter(([, value], index) => moved[index] === true && value !== "")
        const inFile = entries.filter((entry) => !inEnvironment.includes(entry))
        const environment = Object.fromEntries(
          inEnvironment.map(([path, value]) => [ConfigSources.variableOf(path), asText(value)])
        )
        const expected = yield* Effect.result(load(withPaths(entries)))
        const actual = yield* Effect.result(load(withPaths(inFile), environment))
        if (Result.isFailure(expected)) return assert.isTrue(Result.isFailure(actual))
        const encode = Schema.encodeEffect(ServerConfig.Values)
        assert.deepStrictEqual(yield* encode(Result.getOrThrow(actual).values), yield* encode(expected.success.values))
        for (const [path] of inEnvironment) {
          assert.strictEqual(Result.getOrThrow(actual).origins.get(path), ConfigSources.variableOf(path))
        }
      }),
    // A key is moved in a quarter of the runs.
    runs(30)
  )

  it.effect("that is empty counts as not set, even if it is unknown", () =>
    Effect.gen(function* () {
      const { origins, values } = yield* load({ port: 1 }, { SUMMONER_PORT: "", SUMMONER_NONSENSE: "" })
      assert.strictEqual(values.port, 1)
      assert.strictEqual(origins.get("port"), "file")
    })
  )

  it.effect("for a text is taken as it is", () =>
    Effect.gen(function* () {
      const { values } = yield* load({}, { SUMMONER_LOGGER_LOG_FORMAT: "null", SUMMONER_LOGGER_LOG_FILE_PATH: '"x"' })
      assert.strictEqual(values.logger.log_format, "null")
      assert.strictEqual(values.logger.log_file_path, '"x"')
    })
  )

  it.effect("in an older form is understood with a warning that names it", () =>
    Effect.gen(function* () {
      const { values, warnings } = yield* load({}, { SUMMONER_LOGGER_LOG_LEVEL: "warn" })
      assert.strictEqual(values.logger.log_level, "WARNING")
      assert.deepStrictEqual(warnings, [
        'environment: SUMMONER_LOGGER_LOG_LEVEL: "warn" is an older form: write "WARNING"'
      ])
    })
  )

  it.effect("for a level may be in any case", () =>
    Effect.gen(function* () {
      const { values, warnings } = yield* load(
        { logger: { log_level: "error" } },
        { SUMMONER_LOGGER_LOG_LEVEL: "Info" }
      )
      assert.strictEqual(values.logger.log_level, "INFO")
      assert.deepStrictEqual(warnings, [])
    })
  )

  it.effect("that Kubernetes sets for a service called summoner or summoner-server is none of ours", () =>
    Effect.gen(function* () {
      const { values } = yield* load({}, { ...serviceLinks("SUMMONER"), ...serviceLinks("SUMMONER_SERVER") })
      assert.deepStrictEqual(values, ServerConfig.defaults)
    })
  )
})

describe("problems of configuration sources", () => {
  it.effect("of all sources are reported together, by the names that people wrote", () =>
    Effect.gen(function* () {
      const found = yield* message(
        load(
          { prot: 1, logger: { log_level: "LOUD" } },
          {
            SUMMONER_LOGGER_ENABLE_FILE_LOG: "True",
            SUMMONER_LOGGER_LOG_KEYS: '["a",1]',
            SUMMONER_PROT: "1"
          },
          [hostFlag("")]
        )
      )
      const [headline, ...lines] = found.split("\n")
      assert.strictEqual(headline, "server.json, environment, command line: 6 problems")
      assert.sameMembers(lines, [
        '  prot: expected a known key, found unknown key "prot"; did you mean port?',
        '  logger.log_level: expected one of "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", found "LOUD"',
        '  SUMMONER_LOGGER_ENABLE_FILE_LOG: expected true or false, found "True"',
        "  SUMMONER_LOGGER_LOG_KEYS[1]: expected a string, found 1",
        "  SUMMONER_PROT: expected a known variable, found an unknown one; did you mean SUMMONER_PORT?",
        '  --host: expected a host name or an IP address, found ""'
      ])
    })
  )

  it.effect("of one source do not blame the others", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* message(load({ port: 1 }, { SUMMONER_PORT: "x" })),
        'environment: 1 problem\n  SUMMONER_PORT: expected a whole number from 0 to 65535, found "x"'
      )
    })
  )

  it.effect("are reported also where another source hides them", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* message(
          load({ host: 1, port: "x" }, { SUMMONER_HOST: "h", SUMMONER_PORT: "-1" }, [
            { name: "--port", path: "port", value: 0 }
          ])
        ),
        [
          "server.json, environment: 3 problems",
          "  host: expected a host name or an IP address, found 1",
          '  port: expected a whole number from 0 to 65535, found "x"',
          "  SUMMONER_PORT: expected a whole number from 0 to 65535, found -1"
        ].join("\n")
      )
    })
  )

  const SOFT = "SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_SOFT_LIMIT_BYTES"
  const HARD = "SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_HARD_LIMIT_BYTES"

  it.effect("between two keys are those of the whole, not of its parts", () =>
    Effect.gen(function* () {
      const file = { hyper_parameters: { slow_consumer: { soft_limit_bytes: 100_000_000 } } }
      const { values } = yield* load(file, { [HARD]: "200000000" })
      assert.strictEqual(values.hyper_parameters.slow_consumer.hard_limit_bytes, 200_000_000)
      assert.strictEqual(
        yield* message(load({ port: 1 }, { [SOFT]: "100000000" })),
        "environment: 1 problem\n  hyper_parameters.slow_consumer.hard_limit_bytes: expected soft_limit_bytes (100000000) or more, found 33554432 (the default)"
      )
      assert.strictEqual(
        yield* message(load(file, { [HARD]: "99999999", SUMMONER_PORT: "x" })),
        `server.json, environment: 2 problems\n  SUMMONER_PORT: expected a whole number from 0 to 65535, found "x"\n  ${HARD}: expected soft_limit_bytes (100000000) or more, found 99999999`
      )
    })
  )

  it.effect("of the other sources are reported also when the file cannot be read", () =>
    Effect.gen(function* () {
      const file = join(yield* Directory.make(), "server.json")
      const environment = { SUMMONER_PORT: "x" }
      const missing = yield* Effect.flip(ConfigSources.load({ file, environment, flags: [] }))
      assert.match(missing.message, /server\.json: cannot be read: no such file\n {2}SUMMONER_PORT: expected/)
      writeFileSync(file, "{")
      const broken = yield* Effect.flip(ConfigSources.load({ file, environment, flags: [] }))
      assert.match(broken.message, /server\.json: invalid JSON\n {2}line 1, column 2: .*\n {2}SUMMONER_PORT: expected/)
    })
  )

  it.effect.each([
    ["SUMMONER_PROT", "SUMMONER_PORT"],
    ["SUMMONER_LOG_LEVEL", "SUMMONER_LOGGER_LOG_LEVEL"],
    ["SUMMONER_LOGGER_LOGLEVEL", "SUMMONER_LOGGER_LOG_LEVEL"],
    ["SUMMONER_RATE_LIMIT", "SUMMONER_HYPER_PARAMETERS_RATE_LIMIT_MSGS_PER_MINUTE"],
    ["SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_POLCY", "SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_POLICY"],
    ["SUMMONER_HYPER_PARAMETERS_POLICY", "SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_POLICY"]
  ])("with an unknown variable lead to the nearest known one: %s", ([name, nearest]) =>
    Effect.gen(function* () {
      assert.include(yield* message(load({}, { [name]: "1" })), `did you mean ${nearest}?`)
    })
  )

  it.effect.each(["SUMMONER_SCHEMA", "SUMMONER_XYZ", "SUMMONER_", "SUMMONER_LOGGER"])(
    "with a variable that resembles no known one come without a suggestion: %s",
    (name) =>
      Effect.gen(function* () {
        assert.notInclude(yield* message(load({}, { [name]: "1" })), "did you mean")
      })
  )
})
