/** Commands of the command line program, run in the process of the test. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as TestConsole from "effect/testing/TestConsole"
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { check } from "../../src/commands/check.ts"
import * as CommandLine from "../../src/commands/commandLine.ts"
import * as Directory from "./Directory.ts"

/** Sets the working directory and variables of this process, until the scope closes. */
const within = (cwd: string, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.cwd()
      process.chdir(cwd)
      Object.assign(process.env, env)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const name of Object.keys(env)) delete process.env[name]
        process.chdir(before)
      })
  )

const STREAMS = ["stdin", "stdout", "stderr"] as const

/** Gives this process pipes for standard streams, until the scope closes. For programs that run in it, one at a time. */
export const streams = Effect.gen(function* () {
  const given = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const before = STREAMS.map((name) => Object.getOwnPropertyDescriptor(process, name)!)
      for (const name of STREAMS) Object.defineProperty(process, name, { value: given[name], configurable: true })
      return before
    }),
    (before) => Effect.sync(() => STREAMS.forEach((name, i) => Object.defineProperty(process, name, before[i]!)))
  )
  return given
})

/** Runs a command: what it prints, and what it fails with. Not beside other tests: the working directory is that of the process. */
export const run = Effect.fnUntraced(function* <
  Name extends string,
  Input,
  Context,
  E extends { readonly message: string }
>(
  command: Command.Command<Name, Input, Context, E, any>,
  args: ReadonlyArray<string>,
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> }
) {
  yield* within(cwd, env)
  const console = yield* TestConsole.make
  const error = yield* Command.runWith(command, { version: "" })(args).pipe(
    Effect.as(undefined),
    Effect.catch((error) => Effect.succeed(error.message)),
    Effect.provideService(Console.Console, console),
    Effect.provide(NodeServices.layer)
  )
  const stdout = (yield* console.logLines).map((line) => `${String(line)}\n`).join("")
  return { stdout, error }
}, Effect.scoped)

/** Runs the whole program, but for its signals: what it prints, and its exit code. */
export const line = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  { cwd, env = {} }: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> }
) {
  yield* within(cwd, env)
  const console = yield* TestConsole.make
  const exit = yield* CommandLine.reported(CommandLine.run(args)).pipe(
    Effect.provideService(Console.Console, console),
    Effect.exit
  )
  const textOf = (lines: ReadonlyArray<unknown>) => lines.map((line) => `${String(line)}\n`).join("")
  let code: number | undefined
  Runtime.defaultTeardown(exit, (found) => {
    code = found
  })
  return { code, stdout: textOf(yield* console.logLines), stderr: textOf(yield* console.errorLines) }
}, Effect.scoped)

interface Checked {
  readonly notes: ReadonlyArray<{ readonly path: string; readonly reason: string }>
  readonly warnings: ReadonlyArray<string>
}

/** What `check --json` prints of this `server.json` and these variables. */
export const checked = Effect.fnUntraced(function* (
  content: unknown,
  { env = {}, mode }: { readonly env?: Readonly<Record<string, string>>; readonly mode?: number } = {}
) {
  const cwd = yield* Directory.make({ "server.json": content })
  if (mode !== undefined) chmodSync(join(cwd, "server.json"), mode)
  const { stdout } = yield* run(check, ["--json"], { cwd, env })
  return JSON.parse(stdout) as Checked
}, Effect.scoped)
