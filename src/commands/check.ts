import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as NatsFiles from "../bus/NatsFiles.ts"
import * as ConfigErrors from "../config/ConfigError.ts"
import * as ConfigPath from "../config/ConfigPath.ts"
import * as ConfigSources from "../config/ConfigSources.ts"
import { show, showMessage, showName } from "../config/redact.ts"
import * as ServerConfig from "../config/ServerConfig.ts"
import { escapeInvisible } from "../internal/escape.ts"
import * as TlsIdentity from "../transport/tls/TlsIdentity.ts"
import { threadCount } from "../threads/threadCount.ts"
import { configFlags, loadConfig } from "./ConfigFlags.ts"
import { booleanFlag } from "./fields.ts"
import { publicPoints } from "./publicPoints.ts"
import { remarksOn } from "./remarks.ts"

/** The configuration is not for strangers. Exit code 2. */
class NotPublic extends Schema.TaggedError<NotPublic>()("NotPublic", { unmet: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = 2
  override get message(): string {
    return `not for strangers: ${this.unmet} of ${publicPoints.length} points are not met`
  }
}

const holds = (condition: object, values: ServerConfig.Values): boolean =>
  Object.entries(condition).every(([path, value]) => ConfigPath.valueAt(values, path) === value)

const reasonOf = (condition: object): string =>
  Object.entries(condition)
    .map(([path, value]) => `${path} is ${JSON.stringify(value)}`)
    .join(" and ") || "nothing in this server needs it"

/** The keys that are set and have no effect. */
const notesOn = ({ origins, values }: ConfigSources.Effective) =>
  ServerConfig.settableKeys().flatMap(({ noEffectIf, path }) => {
    const condition = noEffectIf.find((condition) => holds(condition, values))
    return condition === undefined || origins.get(path) === "default" ? [] : [{ path, reason: reasonOf(condition) }]
  })

/** A longer value moves the origin in its own line only. */
const MAX_VALUE_WIDTH = 32

/** One line a key, aligned within its group. */
const table = ({ file, origins, values }: ConfigSources.Effective): string => {
  const rows = [...origins].map(([path, origin]) => ({
    path,
    value: show(ConfigPath.valueAt(values, path)),
    origin: origin === "file" ? file! : origin
  }))
  return Object.values(Arr.groupBy(rows, ({ path }) => ConfigPath.groupOf(path)))
    .map((group) => {
      const pathWidth = Math.max(...group.map(({ path }) => path.length))
      const valueWidth = Math.min(Math.max(...group.map(({ value }) => value.length)), MAX_VALUE_WIDTH)
      return group
        .map(({ origin, path, value }) => `${path.padEnd(pathWidth)}  ${value.padEnd(valueWidth)}  ${origin}`)
        .join("\n")
    })
    .join("\n\n")
}

/** The points of `--public` that are not met. */
const unmetBy = (values: ServerConfig.Values) =>
  publicPoints.filter(({ isMet }) => !isMet(values)).map(({ advice, path }) => ({ path, reason: advice }))

const report = (effective: ConfigSources.Effective, unmet: ReturnType<typeof unmetBy>): string =>
  [
    `configuration: ${effective.description}`,
    "",
    table(effective),
    ...effective.warnings.map((warning) => `\nwarning: ${warning}`),
    ...notesOn(effective).map(({ path, reason }) => `\nnote: ${path} has no effect: ${reason}`),
    ...unmet.map(({ path, reason }) => `\npublic: ${path}: ${reason}`)
  ].join("\n")

const print = (text: string) => Console.log(text.split("\n").map(escapeInvisible).join("\n"))

export const printJson = (value: unknown) => print(JSON.stringify(value, null, 2))

export const check = Command.make(
  "check",
  {
    ...configFlags,
    json: booleanFlag("json", "Print a JSON object, also when there are problems"),
    public: booleanFlag("public", "Say what is to be set before strangers can connect, and end with 2 if anything is")
  },
  Effect.fnUntraced(function* ({ json, public: isPublic, ...flags }) {
    const loaded = loadConfig(flags).pipe(
      // The server reads its files before it listens, and so does this.
      Effect.tap(({ description, values: { cluster, tls } }) =>
        TlsIdentity.load(tls).pipe(
          Effect.andThen(cluster.nats.servers === null ? Effect.undefined : NatsFiles.load(cluster.nats)),
          Effect.mapError(({ issues }) => ConfigErrors.invalid(description, issues))
        )
      )
    )
    const complete = yield* json
      ? Effect.tapError(loaded, ({ issues, source, summary }) =>
          printJson({ valid: false, source: showName(source), summary: showMessage(summary), problems: issues })
        )
      : loaded
    const { remark } = yield* Effect.provideService(threadCount, ServerConfig.ServerConfig, complete.values)
    const effective = {
      ...complete,
      values: ServerConfig.withoutSecrets(complete.values),
      warnings: [...complete.warnings, ...(yield* remarksOn(complete)), ...(remark === undefined ? [] : [remark])]
    }
    const unmet = isPublic ? unmetBy(complete.values) : []
    if (json) {
      const { file = null, origins, values, warnings } = effective
      yield* printJson({
        valid: true,
        file,
        values,
        origins: Object.fromEntries(origins),
        warnings,
        notes: notesOn(effective),
        ...(isPublic ? { public: unmet } : {})
      })
    } else {
      yield* print(report(effective, unmet))
    }
    if (unmet.length > 0) return yield* new NotPublic({ unmet: unmet.length })
  })
).pipe(
  Command.withDescription(
    `Prints the configuration that the server would run with and where each value comes from, or every problem in it. It takes the flags of the server.

Exit codes: 0 the server can start; 1 usage error, or it cannot; 2 --public has something to say.`
  ),
  Command.withShortDescription("Print the effective configuration, or its problems"),
  Command.withExamples([
    { command: "summoner-server check", description: "What ./server.json and the environment make" },
    { command: "summoner-server check --config prod.json --port 9000", description: "What those flags would make" },
    { command: "summoner-server check --public", description: "Before strangers can connect" }
  ])
)
