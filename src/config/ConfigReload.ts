import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { levels } from "../logging/LogFormat.ts"
import { RelayLogger } from "../logging/RelayLogger.ts"
import { keys, shown } from "./ConfigKeys.ts"
import * as ConfigPath from "./ConfigPath.ts"
import type { Values } from "./ConfigSchema.ts"
import * as ReloadHooks from "./ReloadHooks.ts"
import { ServerConfig } from "./ServerConfig.ts"

/** What a running server takes over: levels, limits, thresholds, policies and times. Everything else needs a restart. */
const LIVE = [
  /^logger\.log_level$/,
  /^hyper_parameters\.(rate_limit_msgs_per_minute|client_timeout_secs|timeout_check_interval_secs)$/,
  /^hyper_parameters\.(quarantine_cooldown_secs|quarantine_cleanup_interval_secs)$/,
  /^hyper_parameters\.(throttle_delay_ms|flow_control_delay_ms|accept_error_backoff_ms|shutdown_grace_ms)$/,
  /^hyper_parameters\.(max_clients|max_clients_per_ip|allow|deny|trusted_proxies)$/,
  /^hyper_parameters\.(backpressure_policy|slow_consumer)\./,
  /^websocket\.(origins|max_clients)$/,
  /^admin\.token$/
]

/** Whether a running server takes over a new value of the key at this path. */
export const isLive = (path: string): boolean => LIVE.some((pattern) => pattern.test(path))

/** A key whose value is not the one the server runs with. */
export interface Change {
  readonly path: string
  /** Without secrets, as is `to`. */
  readonly from: unknown
  readonly to: unknown
}

/**
 * Changes the configuration of a running server. Services read what can change from the `ServerConfig` object whenever it
 * matters, and this is the only place that writes to it.
 */
export class ConfigReload extends Context.Service<
  ConfigReload,
  {
    /**
     * Takes over what can change while the server runs, and logs each change. Files that the configuration names are read again.
     *
     * @returns what was taken over, and what needs a restart
     */
    readonly apply: (
      next: Values
    ) => Effect.Effect<{ readonly applied: ReadonlyArray<Change>; readonly restart: ReadonlyArray<Change> }>
  }
>()("summoner-server/ConfigReload") {
  /** The configuration to start with, as a `ServerConfig` that `ConfigReload` may change. */
  static readonly layer = (initial: Values): Layer.Layer<ServerConfig | ConfigReload, never, RelayLogger> =>
    Layer.effectContext(
      Effect.gen(function* () {
        const logger = yield* RelayLogger
        const values = structuredClone(initial)
        const reloads = ReloadHooks.make()
        const apply = Effect.fnUntraced(function* (next: Values) {
          const before = values.logger.log_level
          const changes = keys().flatMap((key): ReadonlyArray<Change> => {
            const { isGroup, path } = key
            const [from, to] = [ConfigPath.valueAt(values, path), ConfigPath.valueAt(next, path)]
            if (isGroup || path === "$schema" || isSame(from, to)) return []
            return [{ path, from: shown(key, from), to: shown(key, to) }]
          })
          const applied = changes.filter(({ path }) => isLive(path))
          const restart = changes.filter(({ path }) => !isLive(path))
          for (const { path } of applied) ConfigPath.setAt(values, path, ConfigPath.valueAt(next, path))
          // What is logged about the change is logged by the more talkative of the two levels.
          const both = [before, values.logger.log_level].map((level) => levels.indexOf(level))
          logger.setLevelUnsafe(levels[Math.min(...both)]!)
          for (const change of applied) yield* Effect.logInfo(`configuration: ${describe(change)}`)
          for (const change of restart) {
            yield* Effect.logWarning(`configuration: ${describe(change)} needs a restart`)
          }
          if (changes.length === 0) yield* Effect.logInfo("configuration: no key has changed")
          yield* reloads.reload
          logger.setLevelUnsafe(values.logger.log_level)
          return { applied, restart }
        })
        return Context.make(ServerConfig, values).pipe(
          Context.add(ConfigReload, ConfigReload.of({ apply })),
          Context.add(ReloadHooks.ReloadHooks, reloads.service)
        )
      })
    )
}

const describe = ({ from, path, to }: Change): string => `${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
