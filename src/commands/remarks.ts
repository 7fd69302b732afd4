/** What `check` says of a valid configuration beside the warnings that a start has, too. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import * as ConfigPath from "../config/ConfigPath.ts"
import type { Effective } from "../config/ConfigSources.ts"
import { duplicateKeys } from "../config/duplicateKeys.ts"
import { show } from "../config/redact.ts"
import * as ServerConfig from "../config/ServerConfig.ts"
import { thresholdWarning } from "../config/thresholdWarning.ts"
import { readFile, statIfPresent } from "../internal/files.ts"
import * as LogFormat from "../logging/LogFormat.ts"

/** A resolver that says nothing for so long counts as one that does not know the name. */
const RESOLVER_TIMEOUT = "5 seconds"

/** Fewer can be guessed. */
const MIN_TOKEN_CHARACTERS = 16

const OTHERS_MAY_READ = 0o004

const isConcealed = (key: ServerConfig.Key, value: unknown): boolean =>
  key.conceals(value) || JSON.stringify(ServerConfig.shown(key, value)) !== JSON.stringify(value)

/** Secrets in a file that every user can read. Not a warning of the start: in containers, mounted files are readable by design. */
const exposed = async ({ file, origins, values }: Effective): Promise<ReadonlyArray<string>> => {
  if (file === undefined || process.platform === "win32") return []
  const { mode = 0 } = (await statIfPresent(file)) ?? {}
  if ((mode & OTHERS_MAY_READ) === 0) return []
  const secrets = ServerConfig.settableKeys().filter(
    (key) => origins.get(key.path) === "file" && isConcealed(key, ConfigPath.valueAt(values, key.path))
  )
  return secrets.map(({ path }) => `${file}: every user of this machine can read ${path} in it: chmod o-r ${file}`)
}

const guessable = ({ values }: Effective): ReadonlyArray<string> => {
  const { token } = values.admin
  return token === null || Redacted.value(token).length >= MIN_TOKEN_CHARACTERS
    ? []
    : [
        `admin.token: fewer than ${MIN_TOKEN_CHARACTERS} characters can be guessed: take those of "openssl rand -hex 32"`
      ]
}

const unknownDirectives = ({ values }: Effective): ReadonlyArray<string> =>
  LogFormat.unknownDirectives(values.logger.date_format).map(
    (directive) => `logger.date_format: ${show(directive)} stands for nothing, and is in the log as it is`
  )

/** Actions that never happen, because a severer one happens in rooms as large. */
const neverReached = ({ values: { hyper_parameters, version } }: Effective): ReadonlyArray<string> => {
  const policy = hyper_parameters.backpressure_policy
  if (ServerConfig.profileOf(version) === "python") return []
  const actions = (
    [
      ["throttle", "throttled"],
      ["flow_control", "paused"],
      ["disconnect", "disconnected"]
    ] as const
  ).flatMap(([name, done]) =>
    policy[`enable_${name}`] ? [{ key: `${name}_threshold` as const, done, from: policy[`${name}_threshold`] }] : []
  )
  return actions.flatMap(({ done, from, key }, i) => {
    const severer = actions.slice(i + 1).find((other) => other.from <= from)
    return severer === undefined
      ? []
      : [`backpressure_policy: ${key} (${from}) is not below ${severer.key} (${severer.from}): no sender is ${done}`]
  })
}

const repeated = async ({ file }: Effective): Promise<ReadonlyArray<string>> => {
  // A pipe cannot be read twice.
  if (file === undefined || (await statIfPresent(file))?.isFile() !== true) return []
  return duplicateKeys((await readFile(file)).toString()).map(
    (path) => `${file}: ${path} is there twice; the last one counts`
  )
}

const unresolved = ({ values: { admin, host, websocket } }: Effective) =>
  Effect.map(
    Effect.forEach(
      [
        { path: "host", host },
        { path: "websocket.host", host: websocket.port === null ? null : websocket.host },
        { path: "admin.host", host: admin.port === null ? null : admin.host }
      ],
      ({ host, path }) =>
        host === null || isIP(host) !== 0
          ? Effect.succeed([])
          : Effect.tryPromise(() => lookup(host)).pipe(
              Effect.timeout(RESOLVER_TIMEOUT),
              Effect.match({
                onSuccess: () => [],
                onFailure: () => [`${path}: ${show(host)} has no address that this machine knows`]
              })
            ),
      { concurrency: "unbounded" }
    ),
    (remarks) => remarks.flat()
  )

/** One line each. */
export const remarksOn = (effective: Effective): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(
    Effect.all(
      [Effect.promise(() => exposed(effective)), Effect.promise(() => repeated(effective)), unresolved(effective)],
      { concurrency: "unbounded" }
    ),
    (looked) => [
      ...thresholdWarning(effective.values),
      ...[guessable, neverReached, unknownDirectives].flatMap((look) => look(effective)),
      ...looked.flat()
    ]
  )
