/** `connect` in the process of the test, or as a process of its own, in pipes or on a terminal. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { readFileSync, readlinkSync } from "node:fs"
import * as Cli from "../../support/Cli.ts"
import * as Commands from "../../support/Commands.ts"
import { PATIENCE } from "../../support/patience.ts"
import { Screen } from "./Screen.ts"

const COLUMNS = 60

/** Without what decides about colours: Node shows none where it believes to run in a CI. */
const environment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
  const { CI: _, FORCE_COLOR: __, NO_COLOR: ___, ...inherited } = process.env
  return { ...inherited, TERM: "xterm-256color", ...env }
}

const patiently = <A>(effect: Effect.Effect<A>, what: () => string) =>
  Effect.timeoutOrElse(effect, {
    duration: PATIENCE,
    orElse: () => Effect.die(new Error(`waited too long: ${what()}`))
  })

const supervise = Effect.fnUntraced(function* (spawned: () => ChildProcess, onText: () => string) {
  const child = yield* Effect.acquireRelease(Effect.sync(spawned), (child) =>
    Effect.sync(() => void child.kill("SIGKILL"))
  )
  const ended = yield* Deferred.make<number | null>()
  child.once("close", (code) => Deferred.doneUnsafe(ended, Exit.succeed(code)))
  // What it no longer reads is its own affair.
  child.stdin!.on("error", () => {})
  const exit = patiently(Deferred.await(ended), () => `the exit; it showed\n${onText()}`)
  return { process: child, stdin: child.stdin!, stdout: child.stdout!, exit }
})

/** Waits for output; it is to be told when there is some. */
const watching = (text: () => string) => {
  let onText = () => {}
  const matches = (pattern: RegExp) =>
    patiently(
      Effect.callback<RegExpExecArray>((resume) => {
        onText = () => {
          const match = pattern.exec(text())
          if (match !== null) resume(Effect.succeed(match))
        }
        onText()
      }),
      () => `for ${pattern} in\n${text()}`
    )
  return { matches, changed: () => onText() }
}

/**
 * Runs it in the process of the test, with standard streams of its own, which takes a fiftieth of what a process takes. Not beside others:
 * the streams are those of the process.
 */
export const inProcess = Effect.fnUntraced(function* (args: ReadonlyArray<string>) {
  const given = yield* Commands.streams
  // On a hangup `connect` ends its process.
  const hangups = process.listeners("SIGHUP")
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      for (const listener of process.listeners("SIGHUP"))
        if (!hangups.includes(listener)) process.off("SIGHUP", listener)
    })
  )
  const texts = { stdout: "", stderr: "" }
  const watched = { stdout: watching(() => texts.stdout), stderr: watching(() => texts.stderr) }
  for (const name of ["stdout", "stderr"] as const) {
    given[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text
      watched[name].changed()
    })
  }
  const running = yield* Effect.forkScoped(Commands.line(["connect", ...args], { cwd: process.cwd() }))
  return {
    stdin: given.stdin,
    out: () => texts.stdout,
    err: () => texts.stderr,
    printed: watched.stdout.matches,
    said: watched.stderr.matches,
    exit: patiently(
      Effect.map(Fiber.join(running), ({ code, stderr }) => {
        texts.stderr += stderr
        return code
      }),
      () => `the end; it showed\n${texts.stdout}${texts.stderr}`
    )
  }
})

/** Starts it with pipes. Its standard output is read only with `read`. */
export const start = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  options: { readonly env?: NodeJS.ProcessEnv; readonly read?: boolean } = {}
) {
  let stdout = ""
  let stderr = ""
  const out = watching(() => stdout)
  const err = watching(() => stderr)
  const running = yield* supervise(
    () => {
      const child = spawn(process.execPath, [Cli.PROGRAM, "connect", ...args], { env: environment(options.env ?? {}) })
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
        err.changed()
      })
      if (options.read === false) return child
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text
        out.changed()
      })
      return child
    },
    () => stdout + stderr
  )
  return { ...running, out: () => stdout, err: () => stderr, printed: out.matches, said: err.matches }
})

/** The program that `script` runs. */
const pidOf = ({ pid }: ChildProcess) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim())

const hasScript = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") === true

/** Why the terminal cannot be tested here. */
export const noTerminal = hasScript ? undefined : "there is no `script` of util-linux"

/** Starts it, or the command `name`, on a terminal of 60 columns. `type` is what a person's keyboard sends. */
export const startOnTerminal = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  options: { readonly env?: NodeJS.ProcessEnv; readonly name?: string } = {}
) {
  const screen = new Screen(COLUMNS)
  let output = ""
  const watched = watching(() => screen.text())
  let resizedAt = 0
  const redrawn = watching(() => output.slice(resizedAt))
  const command = [process.execPath, Cli.PROGRAM, options.name ?? "connect", ...args]
    .map((part) => `'${part}'`)
    .join(" ")
  const running = yield* supervise(
    () => {
      const child = spawn("script", ["-qefc", `stty cols ${COLUMNS} rows 20; exec ${command}`, "/dev/null"], {
        env: environment(options.env ?? {})
      })
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        screen.write(text)
        watched.changed()
        redrawn.changed()
      })
      return child
    },
    () => screen.text()
  )
  return {
    ...running,
    output: () => output,
    screen: () => screen.text(),
    shows: watched.matches,
    /** Of the program, which runs until the terminal has ended. */
    pid: Effect.sync(() => pidOf(running.process)),
    /** Gives the terminal another width, as a person who drags its window, and waits until the program has drawn its line again. */
    resize: (columns: number) =>
      Effect.suspend(() => {
        resizedAt = output.length
        screen.resize(columns)
        const terminal = readlinkSync(`/proc/${pidOf(running.process)}/fd/0`)
        execFileSync("stty", ["-F", terminal, "cols", String(columns)])
        return redrawn.matches(/[^]/)
      }),
    type: (text: string) => Effect.sync(() => void running.stdin.write(text))
  }
})
