import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Input from "../client/Input.ts"
import * as Rendering from "../client/Rendering.ts"
import * as Retry from "../client/Retry.ts"
import * as Session from "../client/Session.ts"
import * as StandardOutput from "../client/StandardOutput.ts"
import * as Target from "../client/Target.ts"
import * as Terminal from "../client/Terminal.ts"
import { untilSignal } from "./exitProcess.ts"

const parameters = {
  address: Argument.String("address").pipe(
    Argument.withDescription(
      `Server: host:port, host, :port, port or [ipv6]:port (default: ${Target.format(Target.defaults)})`
    ),
    Argument.withDefault(Target.format(Target.defaults)),
    Argument.filterMap(Target.parse, () => Target.EXPECTED)
  ),
  raw: Flag.Boolean("raw").pipe(Flag.withDescription("Print each line as it was received"), Flag.withDefault(false)),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print each line as a JSON object with its kind, for scripts"),
    Flag.withDefault(false)
  ),
  listen: Flag.Boolean("listen").pipe(
    Flag.withAlias("l"),
    Flag.withDescription("Go on receiving after the end of standard input, until the server closes or Ctrl-C"),
    Flag.withDefault(false)
  ),
  retry: Flag.Boolean("retry").pipe(
    Flag.withAlias("r"),
    Flag.withDescription("Connect again, after 250 ms to 10 s, when the server cannot be reached or is lost"),
    Flag.withDefault(false)
  )
}

interface Parameters {
  readonly address: Target.Target
  readonly json: boolean
  readonly listen: boolean
  readonly raw: boolean
  readonly retry: boolean
}

const run = Effect.fnUntraced(function* ({ address, json, listen, raw, retry }: Parameters) {
  if (raw && json) return yield* new CliError.UserError({ cause: "--raw and --json exclude each other" })
  let isConnected = false
  const terminal = Terminal.isAvailable() ? yield* Terminal.make(() => isConnected) : undefined
  const output = yield* StandardOutput.make(terminal?.above)
  const input = terminal ?? (yield* Input.standardInput)
  const render = Rendering.renderer(raw ? "raw" : json ? "json" : "text", {
    isTerminal: process.stdout.isTTY === true,
    hasColors: process.stdout.isTTY === true && process.stdout.hasColors()
  })
  // Status lines are for people who wait, not for pipes.
  const inform = process.stdin.isTTY === true || listen || retry ? output.status : () => Effect.void
  const name = Target.format(address)
  const session = Session.make({
    target: address,
    input,
    output,
    render,
    listen,
    retry,
    onConnected: Effect.suspend(() => {
      isConnected = true
      return inform(`connected to ${name}`)
    }),
    onDisconnected: Effect.sync(() => {
      isConnected = false
    })
  })
  const main = (retry ? Retry.persistently(session, output.status) : session).pipe(
    Effect.tap(() => inform(`disconnected from ${name}`)),
    Effect.exit,
    Effect.tap(output.flushed),
    Effect.flatten
  )
  return yield* Effect.raceAllFirst([main, output.closed, ...(terminal === undefined ? [] : [terminal.quit])])
})

/** A client for people and scripts: sends the lines of standard input and shows what the others send. */
export const connect = Command.make("connect", parameters, (parameters) =>
  untilSignal(Effect.scoped(run(parameters)))
).pipe(
  Command.withDescription(`Connect to a server: send the lines of standard input, print what the other clients send.

On a terminal lines can be edited and recalled; Ctrl-C and Ctrl-D leave. Without one, standard input is sent to its end, and what arrives until the server has closed the connection is printed.

Exit codes: 0 all was sent, or the server shut down, or left with Ctrl-C; 1 usage error; 2 cannot connect; 3 the connection was lost.`),
  Command.withShortDescription("Connect to a server as a client"),
  Command.withExamples([
    { command: "summoner-server connect", description: "Chat with whoever is at 127.0.0.1:8888" },
    { command: "echo hi | summoner-server connect example.org:9000", description: "Send one line" },
    {
      command: "summoner-server connect --json --listen --retry < /dev/null | jq .content",
      description: "Follow what is said, across restarts of the server"
    }
  ])
)
