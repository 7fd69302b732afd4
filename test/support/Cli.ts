import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { PATIENCE } from "./patience.ts"

/** The built program. */
export const PROGRAM = fileURLToPath(new URL("../../dist/cli.js", import.meta.url))

/** The `node` that the machine has, which is not the one that runs the tests. */
export const SYSTEM_NODE = "/usr/bin/node"

export interface Options {
  readonly node?: string
  readonly cwd?: string
  /** Variables beside those of the tests themselves. */
  readonly env?: Readonly<Record<string, string>>
  /** Runs before the program in the same shell: `ulimit -n 45`. */
  readonly setup?: string
  /** Another program than the command line program. */
  readonly program?: string
}

export interface Running {
  readonly process: ChildProcess
  readonly port: number
  /** Everything printed so far, to both outputs. */
  readonly output: () => string
  /** What of it was printed to standard output. */
  readonly stdout: () => string
  /** Waits until the output matches. */
  readonly printed: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  /** Waits for the end of the process. */
  readonly exit: Effect.Effect<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Starts the built program; it is gone when the scope closes. */
export const start = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  { cwd, env, node = process.execPath, program = PROGRAM, setup }: Options = {}
) {
  const options = {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore" as const, "pipe" as const, "pipe" as const]
  }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      setup === undefined
        ? spawn(node, [program, ...args], options)
        : spawn("sh", ["-c", `${setup}; exec "$@"`, "sh", node, program, ...args], options)
    ),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  let output = ""
  let stdout = ""
  let onOutput = () => {}
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (stream === child.stdout) stdout += text
      onOutput()
    })
  }
  const ended = yield* Deferred.make<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>()
  child.once("close", (code, signal) => Deferred.doneUnsafe(ended, Exit.succeed({ code, signal })))
  const patiently = <A>(effect: Effect.Effect<A>, what: string) =>
    Effect.timeoutOrElse(effect, {
      duration: PATIENCE,
      orElse: () =>
        Effect.die(new Error(`waited too long for ${what}; the program printed last:\n${output.slice(-2000)}`))
    })
  const printed = (pattern: RegExp) =>
    patiently(
      Effect.callback<RegExpExecArray>((resume) => {
        const look = () => {
          const match = pattern.exec(output)
          if (match !== null) resume(Effect.succeed(match))
        }
        onOutput = look
        look()
      }),
      String(pattern)
    )
  return {
    process: child,
    output: () => output,
    stdout: () => stdout,
    printed,
    exit: patiently(Deferred.await(ended), "the exit")
  }
})

/** Starts the built program and waits until it listens, on a free port unless `args` say otherwise. */
export const listening = Effect.fnUntraced(function* (
  args: ReadonlyArray<string> = [],
  options: Options = {}
): Effect.fn.Return<Running, never, Scope.Scope> {
  const program = yield* start(args.includes("--port") ? args : ["--port", "0", ...args], options)
  const [, port] = yield* program.printed(/listening on \S*:(\d+)/)
  return { ...program, port: Number(port) }
})
