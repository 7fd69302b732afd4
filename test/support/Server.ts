import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { ConfigReload } from "../../src/config/ConfigReload.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { decode } from "../../src/config/ServerConfig.ts"
import { Machine } from "../../src/threads/threadCount.ts"
import { PATIENCE } from "./patience.ts"

/** As many cores as tests have threads run, on a machine with one as well. */
export const MACHINE: typeof Machine.Service = { cores: 64, sharesPorts: true, heapMebibytes: 96 }

/** The class of a server: this of the sources, or that of the built package. */
export type Relays = Pick<typeof RelayServer, "layerServerConfig">

/**
 * A running server on a free port, what it logs, and a reload of the same configuration, or of another. It stops with the scope, or when it
 * is told to.
 */
export const start = Effect.fnUntraced(function* (
  input: object = {},
  setup: { readonly startsClosed?: boolean } = {},
  relays: Relays = RelayServer
) {
  const lines: Array<string> = []
  const { values } = yield* decode({ port: 0, ...input }, "test")
  const { log_keys, log_level } = values.logger
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(
    relays
      .layerServerConfig(setup)
      .pipe(
        Layer.provideMerge(ConfigReload.layer(values)),
        Layer.provideMerge(RelayLogger.layerTest(lines, { log_keys, log_level }))
      ),
    scope
  ).pipe(Effect.provideService(Machine, MACHINE))
  // Every server with the thresholds of the defaults warns of them.
  const remark = lines.findIndex((line) => line.startsWith("WARNING backpressure_policy: "))
  if (remark >= 0) lines.splice(remark, 1)
  const relay = yield* Effect.provideContext(RelayServer, context)
  const { apply } = yield* Effect.provideContext(ConfigReload, context)
  const reload = (next: object = input) =>
    decode({ port: 0, ...next }, "test").pipe(
      Effect.flatMap(({ values }) => apply(values)),
      Effect.provideContext(context)
    )
  /** Waits until the log has said it. */
  const logged = (pattern: RegExp) =>
    Effect.suspend(() => {
      let looked = 0
      return until(
        () => {
          const said = lines.slice(looked).some((line) => pattern.test(line))
          looked = lines.length
          return said
        },
        () => `${String(pattern)} is not in the log, which ends with:\n${lines.slice(-20).join("\n")}`
      )
    })
  return { relay, port: relay.address.port, lines, reload, logged, stop: Scope.close(scope, Exit.void) }
})

/**
 * Waits until something is the case for which there is no event to wait for. Looks from a plain timer: a test that waits for seconds looks
 * hundreds of times, while others have the cores.
 *
 * @param state says what is the case instead, if that is for ever
 */
export const until = (condition: () => boolean, state = () => String(condition)) =>
  Effect.callback<void>((resume) => {
    const end = (outcome: Effect.Effect<void>) => {
      clearInterval(timer)
      resume(outcome)
    }
    const look = () => {
      try {
        if (condition()) end(Effect.void)
      } catch (defect) {
        end(Effect.die(defect))
      }
    }
    const timer = setInterval(look, 5)
    look()
    return Effect.sync(() => clearInterval(timer))
  }).pipe(
    Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`waited too long: ${state()}`)) })
  )

/** What of a log is more than information. */
export const noise = (lines: ReadonlyArray<string>) => lines.filter((line) => !line.startsWith("INFO"))
