/** Real servers of NATS, each a process of its own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Loopback from "../support/Loopback.ts"

export const isInstalled = spawnSync("nats-server", ["--version"]).status === 0

export interface NatsServer extends Loopback.Address {
  /** `host:port` */
  readonly server: string
  readonly url: string
  /** What it has logged. */
  readonly output: () => string
  /** Ends the process at once. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, on the same port. */
  readonly start: Effect.Effect<void>
  /** Stops it where it is: its connections stay, and nothing moves on them. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Asks its clients to leave, before it stops. */
  readonly retire: Effect.Effect<void>
  /** Makes it read its configuration again. */
  readonly reload: Effect.Effect<void>
}

export interface Options {
  /** Where it listens, if that is not an address of its own. */
  readonly address?: Loopback.Address
  /** Its working directory. */
  readonly cwd?: string
  /** Of the command: `ip netns exec …`. */
  readonly prefix?: ReadonlyArray<string>
}

/**
 * A server that is not started yet, at an address that it keeps; it is gone when the scope closes.
 *
 * @param args of the program, beside its address
 */
export const make = Effect.fnUntraced(function* (
  args: ReadonlyArray<string> = [],
  { address = Loopback.address(), cwd, prefix = [] }: Options = {}
): Effect.fn.Return<NatsServer, never, Scope.Scope> {
  const { host, port } = address
  let output = ""
  let process: ChildProcess | undefined
  const kill = Effect.promise(async () => {
    if (process === undefined) return
    const ended = once(process, "exit")
    process.kill("SIGKILL")
    process = undefined
    await ended
  })
  const start = Effect.promise(async () => {
    const [program, ...rest] = [...prefix, "nats-server", "-a", host, "-p", String(port), ...args]
    const started = spawn(program!, rest, { cwd, stdio: ["ignore", "ignore", "pipe"] })
    process = started
    const before = output.length
    await new Promise<void>((resolve, reject) => {
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        output += text
        if (output.includes("Server is ready", before)) resolve()
      })
      started.once("error", reject)
      started.once("exit", () => reject(new Error(`nats-server has ended:\n${output}`)))
    })
  })
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void process?.kill(name))
  yield* Effect.addFinalizer(() => kill)
  return {
    host,
    port,
    server: `${host}:${port}`,
    url: `nats://${host}:${port}`,
    output: () => output,
    kill,
    start,
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT"),
    retire: signal("SIGUSR2"),
    reload: signal("SIGHUP")
  }
})

/** A server that runs. */
export const started = Effect.fnUntraced(function* (args: ReadonlyArray<string> = [], options: Options = {}) {
  const server = yield* make(args, options)
  yield* server.start
  return server
})

/** Several that are one. */
export const cluster = Effect.fnUntraced(function* (size: number) {
  const routes = Array.from({ length: size }, () => {
    const { host, port } = Loopback.address()
    return `${host}:${port}`
  })
  return yield* Effect.forEach(routes, (route) =>
    Effect.gen(function* () {
      const others = routes.map((other) => `nats-route://${other}`).join(",")
      const server = yield* started(["--cluster_name", "test", "--cluster", `nats://${route}`, "--routes", others])
      return server
    })
  )
})
