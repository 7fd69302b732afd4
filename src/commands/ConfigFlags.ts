import * as Arr from "effect/Array"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as ConfigSources from "../config/ConfigSources.ts"
import { invisibleIn } from "../internal/escape.ts"
import { show } from "../config/redact.ts"
import { fileFlag, levelFlag } from "./fields.ts"

/** The flags of every command that needs the configuration. */
export const configFlags = {
  config: fileFlag("config").pipe(
    Flag.withAlias("c"),
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
    Flag.filter(
      (name) => name !== "" && !/[/\\]/.test(name) && invisibleIn(name) === undefined,
      (name) => `a name without slashes and invisible characters, found ${show(name)}`
    ),
    Flag.withDefault("MyServer")
  ),
  logLevel: levelFlag("log-level").pipe(
    Flag.withDescription("Least severe level that is logged, instead of the configured one (default: DEBUG)"),
    Flag.optional
  )
}

interface Given {
  readonly config: Option.Option<string>
  readonly host: Option.Option<string>
  readonly port: Option.Option<number>
  readonly logLevel: Option.Option<string>
}

/** The configuration that these flags, the environment and the file make. Fails with a `ConfigError`. */
export const loadConfig = ({ config, host, logLevel, port }: Given) =>
  ConfigSources.load({
    file: Option.getOrUndefined(config),
    environment: process.env,
    flags: Arr.getSomes<Iterable<Option.Option<ConfigSources.GivenFlag>>>([
      Option.map(host, (value) => ({ name: "--host", path: "host", value })),
      Option.map(port, (value) => ({ name: "--port", path: "port", value })),
      Option.map(logLevel, (value) => ({ name: "--log-level", path: "logger.log_level", value }))
    ])
  })
