import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { existsSync } from "node:fs"
import * as RelayLogger from "../logging/RelayLogger.ts"
import { RelayServer } from "../RelayServer.ts"
import * as ServerConfig from "../ServerConfig.ts"

const DEFAULT_FILE = "server.json"

const flags = {
  config: Flag.String("config").pipe(
    Flag.withAlias("c"),
    Flag.withMetavar("file"),
    Flag.withDescription("Configuration file (default: ./server.json if there is one, else the built-in defaults)"),
    Flag.optional
  ),
  host: Flag.String("host").pipe(
    Flag.withMetavar("address"),
    Flag.withDescription("Address to listen on, instead of the configured one (default: 127.0.0.1)"),
    Flag.optional
  ),
  port: Flag.Int("port").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("TCP port, instead of the configured one; 0 takes a free one (default: 8888)"),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "a port from 0 to 65535"
    ),
    Flag.optional
  ),
  name: Flag.String("name").pipe(
    Flag.withDescription("Name of the server in logs and of its log file (default: MyServer)"),
    Flag.withDefault("MyServer")
  ),
  logLevel: Flag.Literals("log-level", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]).pipe(
    Flag.withDescription("Least severe level that is logged, instead of the configured one (default: DEBUG)"),
    Flag.optional
  )
}

/** Where the configuration comes from, and the configuration. */
const load = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const path = Option.getOrElse(given, () => (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined))
  if (path === undefined) {
    return { source: `built-in defaults (no ./${DEFAULT_FILE})`, values: ServerConfig.defaults, warnings: [] }
  }
  return { source: path, ...(yield* ServerConfig.load(path)) }
})

/** Runs the relay until a signal ends it (seed, "Quick start"). */
export const serve = Command.make(
  "summoner-server",
  flags,
  Effect.fnUntraced(function* ({ config, host, logLevel, name, port }) {
    const { source, values, warnings } = yield* load(config)
    const effective: ServerConfig.Values = {
      ...values,
      host: Option.getOrElse(host, () => values.host),
      port: Option.getOrElse(port, () => values.port),
      logger: { ...values.logger, log_level: Option.getOrElse(logLevel, () => values.logger.log_level) }
    }
    const announce = Layer.effectDiscard(
      Effect.gen(function* () {
        yield* Effect.logInfo(`configuration: ${source}`)
        yield* Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true })
      })
    )
    return yield* RelayServer.layer.pipe(
      Layer.provide(announce),
      Layer.provide(ServerConfig.ServerConfig.layer(effective)),
      Layer.provide(RelayLogger.RelayLogger.layer({ name, ...effective.logger })),
      Layer.launch
    )
  })
).pipe(
  Command.withDescription(
    "A TCP broadcast relay: each line a client sends goes to all the others, in a JSON envelope."
  ),
  Command.withExamples([
    { command: "summoner-server", description: "Listen as ./server.json says" },
    { command: "summoner-server --config prod.json --port 9000", description: "Another file, another port" }
  ])
)
