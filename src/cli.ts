#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import { check } from "./commands/check.ts"
import { connect } from "./commands/connect.ts"
import { codeOfSignal, exitProcess } from "./commands/exitProcess.ts"
import { init } from "./commands/init.ts"
import * as Output from "./commands/Output.ts"
import { schema } from "./commands/schema.ts"
import { serve } from "./commands/serve.ts"
import { top } from "./commands/top.ts"
import { version } from "./version.ts"

/** `--log-level` is the server's own, with the level names of `server.json`. */
const cliConfig = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

const formatter = CliOutput.defaultFormatter()

/** A usage error is two lines on standard error: the help would hide it. */
const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(
          `error: ${event.errors.map(({ message }) => message.replace(/\s+/g, " ").trim()).join("; ")}\n` +
            `${event.commandPath.join(" ")} --help explains the usage`
        )
      : CliOutput.defaultPresenter.present(event)
})

/** Without a subcommand the server runs, which the usage line must not hide. */
const output = CliOutput.layer({
  ...formatter,
  formatHelpDoc: (doc) => formatter.formatHelpDoc({ ...doc, usage: doc.usage.replace("<subcommand>", "[subcommand]") })
})

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

const commands = serve.pipe(Command.withSubcommands([init, check, schema, connect, top]))

const program = Output.flushed(Command.run(commands, { version })).pipe(
  // Usage errors are printed with the help; the others say in their message all that a person needs.
  Effect.tapError((error) => (CliError.isCliError(error) ? Effect.void : Console.error(`error: ${error.message}`))),
  // Not for a person to put right; but they must know of it, and where it was.
  Effect.tapDefect((defect) => Console.error(`error: ${Cause.pretty(Cause.die(defect))}`)),
  Effect.provide(Layer.mergeAll(NodeServices.layer, cliConfig, output, presenter))
)

NodeRuntime.runMain(program, { teardown, disableErrorReporting: true })
