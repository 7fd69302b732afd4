#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Runtime from "effect/Runtime"
import * as CommandLine from "./commands/commandLine.ts"
import { codeOfSignal, exitProcess } from "./commands/exitProcess.ts"
import * as Output from "./commands/Output.ts"

let lastSignal: "SIGINT" | "SIGTERM" | undefined

const teardown: Runtime.Teardown = (exit, onExit) =>
  Runtime.defaultTeardown(exit, (code) => {
    // Without a signal or a failure the process ends when nothing is left to do.
    if (code === 0) return onExit(0)
    exitProcess(code === 130 ? codeOfSignal(lastSignal) : code, lastSignal ?? "SIGKILL")
  })

/** The first signal shuts the server down, a second one ends the process at once. */
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (lastSignal !== undefined) exitProcess(signal === "SIGINT" ? 130 : 143, signal, 0)
    lastSignal = signal
  })
}

const program = CommandLine.reported(Output.flushed(CommandLine.run(process.argv.slice(2))))

NodeRuntime.runMain(program, { teardown, disableErrorReporting: true })
