/** The built program with a `server.json` that turns off every protection that is not under test. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"

export interface Options {
  /** `hyper_parameters` of the subject. */
  readonly limits?: object
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

/** Logs warnings only, so that logging costs nothing and what it printed stays short. */
export const quiet = Effect.fnUntraced(function* (options: Options = {}): Effect.fn.Return<Relay, never, Scope.Scope> {
  const cwd = yield* configured({ logger: { log_level: "WARNING" }, ...options })
  const args = ["--config", "server.json"]
  const port = yield* Effect.eventually(freePort)
  const program = yield* Cli.start([...args, "--port", String(port)], { cwd, ...setup(options) })
  const ended = Effect.flatMap(program.exit, () => Effect.die(new Error(`it ended: ${program.output()}`)))
  yield* Effect.raceFirst(reachable(port), ended)
  return { ...program, port, pid: program.process.pid!, cwd, args }
})

const setup = ({ setup }: Options) => (setup === undefined ? {} : { setup })

/** Waits until somebody listens on the port. */
export const reachable = (port: number) =>
  Effect.callback<void, string>((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.once("error", (error) => resume(Effect.fail(error.message)))
    socket.once("connect", () => socket.end())
    socket.once("end", () => resume(Effect.void)).resume()
  }).pipe(
    Effect.tapError(() => Effect.sleep("20 millis")),
    Effect.eventually,
    Effect.timeoutOrElse({ duration: "15 seconds", orElse: () => Effect.die(new Error(`nobody listens on ${port}`)) })
  )

/** Waits for something that nothing announces. */
export const eventually = (condition: () => boolean, what: () => string) =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.tapError(() => Effect.sleep("20 millis")),
    Effect.eventually,
    Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error(`never: ${what()}`)) })
  )

/** A port below those that the kernel gives to outgoing connections. */
export const freePort = Effect.callback<number, unknown>((resume) => {
  const port = 20_000 + Math.floor(Math.random() * 12_000)
  const probe = Net.createServer()
  probe.once("error", (error) => resume(Effect.fail(error)))
  probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(port))))
})

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
