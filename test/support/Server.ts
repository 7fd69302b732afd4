import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { ConfigReload } from "../../src/config/ConfigReload.ts"
import { RelayLogger } from "../../src/logging/RelayLogger.ts"
import { RelayServer } from "../../src/RelayServer.ts"
import { decode } from "../../src/config/ServerConfig.ts"
import { Machine } from "../../src/threads/threadCount.ts"
import { PATIENCE } from "./patience.ts"

/** As many cores as tests have threads run, on a machine with one as well. */
export const MACHINE: typeof Machine.Service = { cores: 64, sharesPorts: true, heapMebibytes: 96 }

/** A running server on a free port, what it logs, and a reload of the same configuration, or of another. */
export const start = Effect.fnUntraced(function* (input: object, setup: { readonly startsClosed?: boolean } = {}) {
  const lines: Array<string> = []
  const { values } = yield* decode({ port: 0, ...input }, "test")
  const { log_keys, log_level } = values.logger
  const context = yield* Layer.build(
    RelayServer.layerServerConfig(setup).pipe(
      Layer.provideMerge(ConfigReload.layer(values)),
      Layer.provideMerge(RelayLogger.layerTest(lines, { log_keys, log_level }))
    )
  ).pipe(Effect.provideService(Machine, MACHINE))
  const relay = yield* Effect.provideContext(RelayServer, context)
  const { apply } = yield* Effect.provideContext(ConfigReload, context)
  const reload = (next: object = input) =>
    decode({ port: 0, ...next }, "test").pipe(
      Effect.flatMap(({ values }) => apply(values)),
      Effect.provideContext(context)
    )
  return { relay, port: relay.address.port, lines, reload }
})

/**
 * Waits until something is the case for which there is no event to wait for.
 *
 * @param state says what is the case instead, if that is for ever
 */
export const until = (condition: () => boolean, state = () => String(condition)) =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("5 millis")),
    Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`waited too long: ${state()}`)) })
  )

/** What of a log is more than information. */
export const noise = (lines: ReadonlyArray<string>) => lines.filter((line) => !line.startsWith("INFO"))
