/** The command line program apart from its process. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { showMessage } from "../config/redact.ts"
import { version } from "../version.ts"
import { check, printJson } from "./check.ts"
import { connect } from "./connect.ts"
import { init } from "./init.ts"
import { schema } from "./schema.ts"
import { serve } from "./serve.ts"
import { top } from "./top.ts"

const commands = serve.pipe(Command.withSubcommands([init, check, schema, connect, top]))

/** `--log-level` is the server's own, with the level names of `server.json`. */
const cliConfig = CliConfig.layer({
  builtIns: [
    GlobalFlag.Help,
    { ...GlobalFlag.Version, flag: Flag.withAlias(GlobalFlag.Version.flag, "V") },
    GlobalFlag.Completions
  ]
})

const formatter = CliOutput.defaultFormatter()

/** Without a subcommand the server runs, which the usage line must not hide. */
const output = CliOutput.layer({
  ...formatter,
  formatHelpDoc: (doc) => formatter.formatHelpDoc({ ...doc, usage: doc.usage.replace("<subcommand>", "[subcommand]") })
})

const wordsOf = (
  error: CliError.NonShowHelpErrors,
  { commandPath, helpDoc }: CliOutput.Presenter.InvalidInvocation
): string => {
  if (error._tag === "UnrecognizedOption") {
    const name = error.option.replace(/^-+/, "")
    const isKnown = helpDoc.flags.some((flag) =>
      [flag.name, ...flag.aliases].some((known) => known.replace(/^-+/, "") === name)
    )
    // The parser looks for the flags of a command after its name only.
    if (isKnown) return `${error.option} has to come after the command: put it after ${commandPath.at(-1)}`
  }
  // Line breaks of what was given, too, are on the one line of the report.
  return showMessage(error.message.replace(/\s+/g, " ").trim())
}

/** A usage error is two lines on standard error: the help would hide it. With `check --json` it is JSON beside. */
const presenterFor = (args: ReadonlyArray<string>) =>
  CliOutput.layerPresenter({
    present: Effect.fnUntraced(function* (event) {
      if (event._tag !== "InvalidInvocation") return yield* CliOutput.defaultPresenter.present(event)
      const summary = event.errors.map((error) => wordsOf(error, event)).join("; ")
      if (event.commandPath.at(-1) === check.name && args.includes("--json")) {
        yield* printJson({ valid: false, source: "command line", summary, problems: [] })
      }
      yield* Console.error(`error: ${summary}\n${event.commandPath.join(" ")} --help explains the usage`)
    })
  })

/** `help check` for `check --help`, and `version` for `--version`. */
const withFlags = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const [first, ...rest] = args
  if (first === "help") return [...rest, "--help"]
  return first === "version" ? ["--version"] : args
}

/** Runs the program with these arguments, without its name. */
export const run = (args: ReadonlyArray<string>) =>
  Command.runWith(commands, { version })(withFlags(args)).pipe(
    Effect.provide(Layer.mergeAll(NodeServices.layer, cliConfig, output, presenterFor(args)))
  )

/** Prints on standard error what a program fails with. */
export const reported = <A, E extends { readonly message: string }, R>(program: Effect.Effect<A, E, R>) =>
  program.pipe(
    // Usage errors are printed already; the others say in their message all that a person needs.
    Effect.tapError((error) =>
      CliError.isCliError(error) ? Effect.void : Console.error(`error: ${showMessage(error.message)}`)
    ),
    // Not for a person to put right; but they must know of it, and where it was.
    Effect.tapDefect((defect) => Console.error(`error: ${Cause.pretty(Cause.die(defect))}`))
  )
