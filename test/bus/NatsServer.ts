/** Real servers of NATS, each a process of its own. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import * as Net from "node:net"

export const isInstalled = spawnSync("nats-server", ["--version"]).status === 0

export interface NatsServer {
  readonly port: number
  readonly url: string
  /** Ends the process at once. */
  readonly kill: Effect.Effect<void>
  /** Starts it again, on the same port. */
  readonly start: Effect.Effect<void>
  /** Stops it where it is: its connections stay, and nothing moves on them. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Makes it read its configuration again. */
  readonly reload: Effect.Effect<void>
}

export interface Options {
  readonly host?: string
  /** Its working directory. */
  readonly cwd?: string
  /** Of the command: `ip netns exec …`. */
  readonly prefix?: ReadonlyArray<string>
}

/** A port below those that the kernel gives to outgoing connections. */
export const freePort: Effect.Effect<number> = Effect.eventually(
  Effect.callback<number, unknown>((resume) => {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const probe = Net.createServer()
    probe.once("error", (error) => resume(Effect.fail(error)))
    probe.listen(port, "127.0.0.1", () => probe.close(() => resume(Effect.succeed(port))))
  })
)

/**
 * A server that is not started yet; it is gone when the scope closes.
 *
 * @param port where it will listen
 * @param args of the program, beside its address
 */
export const make = Effect.fnUntraced(function* (
  port: number,
  args: ReadonlyArray<string> = [],
  { cwd, host = "127.0.0.1", prefix = [] }: Options = {}
): Effect.fn.Return<NatsServer, never, Scope.Scope> {
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
    let output = ""
    await new Promise<void>((resolve, reject) => {
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        output += text
        if (output.includes("Server is ready")) resolve()
      })
      started.once("error", reject)
      started.once("exit", () => reject(new Error(`nats-server has ended:\n${output}`)))
    })
  })
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void process?.kill(name))
  yield* Effect.addFinalizer(() => kill)
  return {
    port,
    url: `nats://${host}:${port}`,
    kill,
    start,
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT"),
    reload: signal("SIGHUP")
  }
})

/** A server on a free port. */
export const started = Effect.fnUntraced(function* (args: ReadonlyArray<string> = []) {
  const server = yield* make(yield* freePort, args)
  yield* server.start
  return server
})

/** Several that are one. */
export const cluster = Effect.fnUntraced(function* (size: number) {
  const ports = yield* Effect.forEach(Array.from({ length: size }), () => freePort)
  const routes = yield* Effect.forEach(Array.from({ length: size }), () => freePort)
  return yield* Effect.forEach(ports, (port, i) =>
    Effect.gen(function* () {
      const others = routes.map((route) => `nats-route://127.0.0.1:${route}`).join(",")
      const server = yield* make(port, [
        "--cluster_name",
        "test",
        "--cluster",
        `nats://127.0.0.1:${routes[i]}`,
        "--routes",
        others
      ])
      yield* server.start
      return server
    })
  )
})
