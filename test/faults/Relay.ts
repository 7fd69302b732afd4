/** A server that has every protection turned off that is not under test: the built program, or one in the process of the test. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Options as ServerOptions } from "../../src/config/ServerConfig.ts"
import * as WebSocketMount from "../../src/transport/websocket/WebSocketMount.ts"
import * as Cli from "../support/Cli.ts"
import * as HostServer from "../support/HostServer.ts"
import { PATIENCE } from "../support/patience.ts"
import * as Server from "../support/Server.ts"

export interface Options {
  /** `hyper_parameters` of the subject. */
  readonly limits?: { readonly worker_threads?: number; readonly [key: string]: unknown }
  readonly logger?: object
  /** Other groups of its configuration: `tls`, `websocket`. */
  readonly groups?: object
  readonly host?: string
  /** Runs before the program in the same shell. */
  readonly setup?: string
}

export interface Relay extends Cli.Running {
  readonly pid: number
  /** Its working directory. */
  readonly cwd: string
  /** Its options but for the port. */
  readonly args: ReadonlyArray<string>
}

const UNLIMITED = {
  rate_limit_msgs_per_minute: 4_294_967_295,
  client_timeout_secs: null,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }
}

const configured = ({ groups, host = "127.0.0.1", limits, logger }: Options) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const cwd = mkdtempSync(join(tmpdir(), "summoner-faults-"))
      const config = { host, logger, ...groups, hyper_parameters: { ...UNLIMITED, ...limits } }
      writeFileSync(join(cwd, "server.json"), JSON.stringify(config))
      return cwd
    }),
    (cwd) => Effect.sync(() => rmSync(cwd, { recursive: true, force: true }))
  )

/** Logs everything from INFO on, each relayed line too. */
export const talkative = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Relay, never, Scope.Scope> {
  const cwd = yield* configured({ logger: { log_level: "INFO" }, ...options })
  const args = ["--config", "server.json"]
  const program = yield* Cli.listening(args, { cwd, ...setup(options) })
  return { ...program, pid: program.process.pid!, cwd, args }
})

/**
 * A server in the process of the test, which takes a tenth of what the program takes to start. It logs from INFO on, each relayed line, too,
 * unless the options say otherwise.
 */
export const inProcess = Effect.fnUntraced(function* ({
  groups,
  host = "127.0.0.1",
  limits,
  logger
}: Omit<Options, "setup"> = {}): Effect.fn.Return<
  Pick<Relay, "port" | "output" | "printed"> & { readonly stop: Effect.Effect<void> },
  never,
  Scope.Scope
> {
  const { lines, port, stop } = yield* Server.start({
    host,
    logger: { log_level: "INFO", ...logger },
    ...groups,
    hyper_parameters: { ...UNLIMITED, ...limits }
  }).pipe(Effect.orDie)
  return { port, stop, ...logOf(lines) }
})

/** A server in the process of the test whose WebSocket clients come by an HTTP server of the program, which has the port. */
export const mounted = Effect.fnUntraced(function* (
  limits: ServerOptions["hyper_parameters"],
  logger: Parameters<typeof HostServer.relay>[2]
) {
  const mount = WebSocketMount.make()
  const options = { hyper_parameters: { ...UNLIMITED, ...limits } }
  const { lines } = yield* Effect.orDie(HostServer.relay(options, { webSocketListener: mount.layer }, logger))
  const port = yield* HostServer.listen(Http.createServer().on("upgrade", mount.handleUpgrade))
  return { port, ...logOf(lines) }
})

const logOf = (lines: ReadonlyArray<string>) => {
  const output = () => lines.join("\n")
  const printed = (pattern: RegExp) =>
    Effect.suspend(() => {
      let looked = -1
      let found: RegExpExecArray | null = null
      const isSaid = () => {
        if (looked === lines.length) return false
        looked = lines.length
        found = pattern.exec(output())
        return found !== null
      }
      const waiting = Server.until(isSaid, () => `${pattern} is not in:\n${output()}`)
      return Effect.map(Effect.orDie(waiting), () => found!)
    })
  return { output, printed }
}

/** Logs warnings only once it listens, so that logging costs nothing and what it printed stays short. */
export const quiet = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<Relay, never, Scope.Scope> {
  const relay = yield* talkative(options)
  yield* hush(relay)
  return relay
})

/** Has a server that logs from INFO on log warnings only. */
export const hush = (relay: Relay) => {
  const file = join(relay.cwd, "server.json")
  writeFileSync(file, readFileSync(file, "utf8").replace('"INFO"', '"WARNING"'))
  relay.process.kill("SIGHUP")
  return relay.printed(/logger\.log_level: "INFO" -> "WARNING"/)
}

/** Logs every line as JSON to a file, and nothing on the console. */
export const filed = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Relay & { readonly file: string }, never, Scope.Scope> {
  const logger = {
    log_level: "INFO",
    enable_console_log: false,
    enable_file_log: true,
    enable_json_log: true,
    max_file_size: 1_000_000_000
  }
  const cwd = yield* configured({ logger, ...options })
  const args = ["--config", "server.json"]
  const program = yield* Cli.start([...args, "--port", "0"], { cwd })
  const file = join(cwd, "MyServer.log")
  const port = () => (existsSync(file) ? /listening on \S*:(\d+)/.exec(readFileSync(file, "utf8"))?.[1] : undefined)
  yield* eventually(
    () => port() !== undefined,
    () => `a log that says where the server listens; it printed ${program.output()}`
  )
  return { ...program, port: Number(port()), pid: program.process.pid!, cwd, args, file }
})

const setup = ({ setup }: Options) => (setup === undefined ? {} : { setup })

/** Waits until a server listens on the port. */
export const reachable = (port: number, host = "127.0.0.1") =>
  Effect.callback<void, string>((resume) => {
    const socket = Net.connect(port, host)
    socket.once("error", (error) => resume(Effect.fail(error.message)))
    socket.once("connect", () => socket.end())
    socket.once("end", () => resume(Effect.void)).resume()
  }).pipe(
    Effect.tapError(() => Effect.sleep("20 millis")),
    Effect.eventually,
    Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`nobody listens on ${port}`)) })
  )

/** Waits for something that nothing announces. */
export const eventually = (condition: () => boolean, what: () => string) =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.tapError(() => Effect.sleep("20 millis")),
    Effect.eventually,
    Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`never: ${what()}`)) })
  )

/** Prints what a test has measured. */
export const measured = (fault: string, values: Record<string, number | string>) =>
  Effect.sync(() => {
    const parts = Object.entries(values).map(
      ([name, value]) => `${name} ${typeof value === "number" ? Number(value.toFixed(1)) : value}`
    )
    console.info(`measured: ${fault}: ${parts.join(", ")}`)
  })

/** Bytes in MiB, to print them. */
export const mib = (bytes: number): number => bytes / 1024 / 1024
