import * as Context from "effect/Context"
import * as Equal from "effect/Equal"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { copy, type Key, settableKeys, shown } from "./ConfigKeys.ts"
import { setAt, valueAt } from "./ConfigPath.ts"
import { levels, ServerConfig, type Values } from "./CurrentConfig.ts"
import * as ReloadHooks from "./ReloadHooks.ts"

/** A key whose new value differs from the one the server runs with. */
export interface Change {
  readonly path: string
  /** Without secrets, as is `to`. */
  readonly from: unknown
  readonly to: unknown
}

/** Changes the configuration of a running server. Services read reloadable keys from the `ServerConfig` object on each use; only this writes to it. */
export class ConfigReload extends Context.Service<
  ConfigReload,
  {
    /**
     * Applies the reloadable keys, logs every change, and has the files that the configuration names read again.
     *
     * @returns the changes that were applied, and those that need a restart
     */
    readonly apply: (
      next: Values
    ) => Effect.Effect<{ readonly applied: ReadonlyArray<Change>; readonly restart: ReadonlyArray<Change> }>
  }
>()("summoner-server/ConfigReload") {
  /** A `ServerConfig` that starts as `initial` and that `ConfigReload` changes. */
  static readonly layer = (initial: Values): Layer.Layer<ServerConfig | ConfigReload> =>
    Layer.effectContext(
      Effect.gen(function* () {
        const setLogLevel = yield* ReloadHooks.SetLogLevel
        const values = copy(initial)
        const reloads = ReloadHooks.make()
        const apply = Effect.fnUntraced(function* (next: Values) {
          const before = values.logger.log_level
          const changed = settableKeys().filter(({ path }) => !Equal.equals(valueAt(values, path), valueAt(next, path)))
          const describeChange = (key: Key): Change => ({
            path: key.path,
            from: shown(key, valueAt(values, key.path)),
            to: shown(key, valueAt(next, key.path))
          })
          const applied = changed.filter(({ isReloadable }) => isReloadable).map(describeChange)
          const restart = changed.filter(({ isReloadable }) => !isReloadable).map(describeChange)
          for (const { path } of applied) setAt(values, path, valueAt(next, path))
          // The changes themselves are logged at the more verbose of the two levels.
          const both = [before, values.logger.log_level].map((level) => levels.indexOf(level))
          setLogLevel(levels[Math.min(...both)]!)
          for (const change of applied) yield* Effect.logInfo(`configuration: ${describe(change)}`)
          for (const change of restart) yield* Effect.logWarning(`configuration: ${describe(change)} needs a restart`)
          if (changed.length === 0) yield* Effect.logInfo("configuration: no key has changed")
          yield* reloads.reload
          setLogLevel(values.logger.log_level)
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
