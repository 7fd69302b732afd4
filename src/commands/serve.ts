import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ConfigReload } from "../config/ConfigReload.ts"
import { ServerConfig } from "../config/ServerConfig.ts"
import * as RelayLogger from "../logging/RelayLogger.ts"
import { RelayServer } from "../RelayServer.ts"
import { layerConfig as layerTelemetry } from "../telemetry/Telemetry.ts"
import { configFlags, loadConfig } from "./ConfigFlags.ts"
import { untilSignal } from "./exitProcess.ts"
import { hangups, reloadOnHangup } from "./reloadOnHangup.ts"

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
      Layer.provide(layerTelemetry(flags.name)),
      Layer.provide(ConfigReload.layer(values)),
      Layer.provide(RelayLogger.layerConfig(flags.name)),
      Layer.provide(ServerConfig.layer(values)),
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
