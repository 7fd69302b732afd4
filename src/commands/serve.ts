import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ConfigReload } from "../config/ConfigReload.ts"
import * as RelayLogger from "../logging/RelayLogger.ts"
import { RelayServer } from "../RelayServer.ts"
import { Telemetry } from "../telemetry/Telemetry.ts"
import { configFlags, loadConfig } from "./ConfigFlags.ts"
import { untilSignal } from "./exitProcess.ts"
import { hangups, reloadOnHangup } from "./reloadOnHangup.ts"

/** Runs the relay until a signal ends it. */
export const serve = Command.make(
  "summoner-server",
  configFlags,
  Effect.fnUntraced(function* (flags) {
    // First of all: a SIGHUP without a listener ends the process.
    const waiting = yield* hangups
    const { description, file, values, warnings } = yield* loadConfig(flags)
    const announce = Layer.effectDiscard(
      Effect.gen(function* () {
        yield* Effect.logInfo(`configuration: ${description}`)
        yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
      })
    )
    // A reload needs the file that was found at the start: defaults in its place would open the room.
    const reload = reloadOnHangup(waiting, loadConfig({ ...flags, config: Option.fromUndefinedOr(file) }))
    return yield* Layer.merge(RelayServer.layerServerConfig(), reload).pipe(
      Layer.provide(announce),
      Layer.provide(Telemetry.layer({ name: flags.name, endpoint: values.otlp.endpoint })),
      Layer.provide(ConfigReload.layer(values)),
      Layer.provide(
        RelayLogger.RelayLogger.layer({
          name: flags.name,
          ...values.logger,
          flushMillis: values.hyper_parameters.shutdown_grace_ms
        })
      ),
      Layer.launch,
      untilSignal
    )
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "A TCP broadcast relay: each line a client sends goes to all the others, in a JSON envelope."
  ),
  Command.withExamples([
    { command: "summoner-server", description: "Listen as ./server.json says" },
    { command: "summoner-server --config prod.json --port 9000", description: "Another file, another port" },
    { command: "SUMMONER_LOGGER_LOG_LEVEL=INFO summoner-server", description: "A key from the environment" }
  ])
)
