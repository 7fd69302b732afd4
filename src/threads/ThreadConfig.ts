/** The configuration of a relay thread, which the main thread has checked: what is new in it, and worth a log line, is known there. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig, type Values } from "../config/CurrentConfig.ts"
import * as ReloadHooks from "../config/ReloadHooks.ts"
import { isJsonObject } from "../internal/JsonObject.ts"

/** Changes the configuration of a thread, as `ConfigReload` does for a server. */
export class ThreadConfig extends Context.Service<
  ThreadConfig,
  {
    /** Takes over what the main thread has applied, and has files read again. */
    readonly take: (next: Values) => Effect.Effect<void>
  }
>()("summoner-server/ThreadConfig") {
  /** @param values of this thread alone */
  static readonly layer = (values: Values): Layer.Layer<ServerConfig | ThreadConfig> =>
    Layer.effectContext(
      Effect.gen(function* () {
        const setLogLevel = yield* ReloadHooks.SetLogLevel
        const reloads = ReloadHooks.make()
        const take = (next: Values) =>
          Effect.suspend(() => {
            assign(values, next)
            setLogLevel(values.logger.log_level)
            return reloads.reload
          })
        return Context.make(ServerConfig, values).pipe(
          Context.add(ThreadConfig, ThreadConfig.of({ take })),
          Context.add(ReloadHooks.ReloadHooks, reloads.service)
        )
      })
    )
}

/** Services keep the groups. */
const assign = (target: object, next: object): void => {
  for (const [name, value] of Object.entries(next)) {
    const group: unknown = Reflect.get(target, name)
    if (isJsonObject(group) && isJsonObject(value)) assign(group, value)
    else Reflect.set(target, name, value)
  }
}
