import * as Arr from "effect/Array"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as NatsFiles from "../bus/NatsFiles.ts"
import * as ConfigErrors from "../config/ConfigError.ts"
import * as ConfigPath from "../config/ConfigPath.ts"
import * as ConfigSources from "../config/ConfigSources.ts"
import { show } from "../config/redact.ts"
import * as ServerConfig from "../config/ServerConfig.ts"
import { escapeInvisible } from "../internal/escape.ts"
import { statIfPresent } from "../internal/files.ts"
import * as TlsIdentity from "../transport/tls/TlsIdentity.ts"
import { threadCount } from "../threads/threadCount.ts"
import { configFlags, loadConfig } from "./ConfigFlags.ts"

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

const isConcealed = (key: ServerConfig.Key, value: unknown): boolean =>
  key.conceals(value) || JSON.stringify(ServerConfig.shown(key, value)) !== JSON.stringify(value)

const OTHERS_MAY_READ = 0o004

/** Warnings of secrets in a file that every user can read. Only `check` has them: in containers, mounted files are readable by design. */
const exposed = async ({ file, origins, values }: ConfigSources.Effective): Promise<ReadonlyArray<string>> => {
  if (file === undefined || process.platform === "win32") return []
  const { mode = 0 } = (await statIfPresent(file)) ?? {}
  if ((mode & OTHERS_MAY_READ) === 0) return []
  const secrets = ServerConfig.settableKeys().filter(
    (key) => origins.get(key.path) === "file" && isConcealed(key, ConfigPath.valueAt(values, key.path))
  )
  return secrets.map(({ path }) => `${file}: every user of this machine can read ${path} in it: chmod o-r ${file}`)
}

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

const report = (effective: ConfigSources.Effective): string =>
  [
    `configuration: ${effective.description}`,
    "",
    table(effective),
    ...effective.warnings.map((warning) => `\nwarning: ${warning}`),
    ...notesOn(effective).map(({ path, reason }) => `\nnote: ${path} has no effect: ${reason}`)
  ].join("\n")

const print = (text: string) => Console.log(text.split("\n").map(escapeInvisible).join("\n"))

const printJson = (value: unknown) => print(JSON.stringify(value, null, 2))

/** Prints the effective configuration, or its problems. */
export const check = Command.make(
  "check",
  {
    ...configFlags,
    json: Flag.Boolean("json").pipe(
      Flag.withDescription("Print a JSON object, also when there are problems"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ json, ...flags }) {
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
          printJson({ valid: false, source, summary, problems: issues })
        )
      : loaded
    const { remark } = yield* Effect.provideService(threadCount, ServerConfig.ServerConfig, complete.values)
    const exposures = yield* Effect.promise(() => exposed(complete))
    const effective = {
      ...complete,
      values: ServerConfig.withoutSecrets(complete.values),
      warnings: [...complete.warnings, ...exposures, ...(remark === undefined ? [] : [remark])]
    }
    if (!json) return yield* print(report(effective))
    const { file = null, origins, values, warnings } = effective
    yield* printJson({
      valid: true,
      file,
      values,
      origins: Object.fromEntries(origins),
      warnings,
      notes: notesOn(effective)
    })
  })
).pipe(
  Command.withDescription(
    "Prints the configuration that the server would run with and where each value comes from, or every problem in it. It takes the flags of the server."
  ),
  Command.withShortDescription("Print the effective configuration, or its problems"),
  Command.withExamples([
    { command: "summoner-server check", description: "What ./server.json and the environment make" },
    { command: "summoner-server check --config prod.json --port 9000", description: "What those flags would make" }
  ])
)
