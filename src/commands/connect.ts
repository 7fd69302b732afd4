import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { ClientError } from "../client/ClientError.ts"
import type { Status } from "../client/Client.ts"
import * as Incoming from "../client/Incoming.ts"
import type { Line } from "../client/IncomingLines.ts"
import * as RelayClient from "../client/RelayClient.ts"
import * as Target from "../client/Target.ts"
import { showName, withoutCredentials } from "../config/redact.ts"
import { escapeText, invisibleIn } from "../internal/escape.ts"
import { readFile } from "../internal/files.ts"
import * as Notice from "../protocol/Notice.ts"
import { ConnectFailure, streamFailed } from "./connect/ConnectFailure.ts"
import * as Input from "./connect/Input.ts"
import * as Losses from "./connect/Losses.ts"
import { pacing } from "./connect/Pacing.ts"
import * as Rendering from "./connect/Rendering.ts"
import * as StandardOutput from "./connect/StandardOutput.ts"
import * as Terminal from "./connect/Terminal.ts"
import { endOnHangup, untilSignal } from "./exitProcess.ts"
import { booleanFlag, fileFlag } from "./fields.ts"

const file = (name: string, description: string) =>
  fileFlag(name).pipe(Flag.withDescription(description), Flag.optional)

const parameters = {
  server: Argument.String("address").pipe(
    Argument.withDescription(
      `Server: host:port, host, :port, port or [ipv6]:port (default: ${Target.format(Target.defaults)}), or a URL: tcp://, tls://, ws://, wss://`
    ),
    Argument.withDefault(Target.format(Target.defaults)),
    Argument.filterMap(
      (text) => Option.fromUndefinedOr(serverOf(text)),
      () => `${Target.EXPECTED}; or a URL such as tls://localhost:8888 or ws://localhost:8889/`
    )
  ),
  tls: booleanFlag("tls", "Connect by TLS, as tls:// does"),
  ca: file("ca", "PEM file with the authorities to trust instead of the known ones"),
  cert: file("cert", "PEM file with the certificate of this client"),
  key: file("key", "PEM file with the private key of --cert"),
  raw: booleanFlag("raw", "Print each line as it was received"),
  json: booleanFlag("json", "Print each line as a JSON object with its kind, for scripts"),
  time: booleanFlag("time", "Print the time at which each line arrived before it"),
  name: Flag.KeyValuePair("name").pipe(
    Flag.withMetavar("address=name"),
    Flag.withDescription("Print this name instead of an ip:port or of all addresses of an IP address; may be repeated"),
    Flag.optional
  ),
  quiet: booleanFlag("quiet", "Print nothing about the connection but why it failed").pipe(Flag.withAlias("q")),
  rate: Flag.Int("rate").pipe(
    Flag.withMetavar("lines"),
    Flag.withDescription("Send this many lines a minute at most, evenly spaced: no more than the server's rate limit"),
    Flag.filter(
      (rate) => rate > 0,
      () => "a number of lines from 1"
    ),
    Flag.optional
  ),
  listen: booleanFlag(
    "listen",
    "Go on receiving after the end of standard input, until the server closes or Ctrl-C"
  ).pipe(Flag.withAlias("l")),
  retry: booleanFlag("retry", "Connect again, after 250 ms to 10 s, when the server cannot be reached or is lost").pipe(
    Flag.withAlias("r")
  )
}

interface Server {
  readonly url: string
  /** What status lines call it. */
  readonly name: string
}

const serverOf = (text: string): Server | undefined => {
  if (invisibleIn(text) !== undefined) return undefined
  if (/^wss?:\/\//.test(text) && URL.canParse(text)) return { url: text, name: withoutCredentials(text) }
  const parsed = Target.parseUrl(text) ?? Target.parse(text)
  if (parsed === undefined) return undefined
  const name = Target.format(parsed)
  return { url: `${"isTls" in parsed && parsed.isTls ? "tls" : "tcp"}://${name}`, name }
}

/** Memory of lines that standard output has not taken, in bytes. */
const MAX_BUFFER_BYTES = 262_144

/** Notices of a server that shuts down in order. */
const SHUTDOWN_NOTICES = new Set([Notice.SHUTTING_DOWN, Notice.SERVER_DISCONNECTED].map((line) => line.trimEnd()))

/** The options of TLS, if a flag asks for it. */
const tlsOf = Effect.fnUntraced(function* (files: Readonly<Record<"ca" | "cert" | "key", Option.Option<string>>>) {
  const contents: Partial<Record<"ca" | "cert" | "key", string>> = {}
  for (const name of ["ca", "cert", "key"] as const) {
    const path = Option.getOrUndefined(files[name])
    if (path === undefined) continue
    contents[name] = yield* Effect.tryPromise({
      try: async () => String(await readFile(path)),
      catch: (error) => streamFailed(`read --${name} ${showName(path)}`, error as NodeJS.ErrnoException)
    })
  }
  return Object.keys(contents).length === 0 ? undefined : contents
})

const run = Effect.fnUntraced(function* ({ server, ...flags }: Command.Command.Config.Infer<typeof parameters>) {
  const { json, listen, quiet, raw, retry, time } = flags
  if (raw && json) return yield* new CliError.UserError({ cause: "--raw and --json exclude each other" })
  if (raw && time) return yield* new CliError.UserError({ cause: "--raw and --time exclude each other" })
  const url = flags.tls ? server.url.replace(/^tcp:/, "tls:").replace(/^ws:/, "wss:") : server.url
  const isWebSocket = url.startsWith("ws")
  const tls = yield* tlsOf(flags)
  if (tls !== undefined && !url.startsWith("tls:")) {
    const cause = "--ca, --cert and --key are for TLS without WebSocket; for wss:// set NODE_EXTRA_CA_CERTS"
    return yield* new CliError.UserError({ cause })
  }

  let isConnected = false
  const terminal = Terminal.isAvailable() ? yield* Terminal.make(() => isConnected) : undefined
  const output = yield* StandardOutput.make(terminal?.above)
  // Status lines are for people who wait, not for pipes.
  const isInformed = !quiet && (process.stdin.isTTY === true || listen || retry)
  const inform = (line: string) => {
    if (isInformed) output.status(line)
  }
  const onStatus = (status: Status) => {
    isConnected = status.state === "connected"
    if (status.state === "connected") return inform(`connected to ${server.name}`)
    inform(`${describe(status.error)}; next attempt in ${(status.retryMillis / 1000).toFixed(1)} s`)
  }
  const describe = ({ _tag, reason }: ClientError) =>
    escapeText(`${_tag === "CannotConnect" ? "cannot connect" : "lost the connection"} to ${server.name}: ${reason}`)
  const render = Rendering.renderer({
    mode: raw ? "raw" : json ? "json" : "text",
    isTerminal: process.stdout.isTTY === true,
    hasColors: process.stdout.isTTY === true && process.stdout.hasColors(),
    names: new Map(Object.entries(Option.getOrElse(flags.name, () => ({})))),
    now: time ? () => new Date() : undefined
  })
  const losses = new Losses.Losses()

  const session = Effect.gen(function* () {
    const client = yield* RelayClient.connect(url, {
      reconnect: retry && { attempts: Infinity, initially: true },
      // Nothing is lost, unless the connection cannot be paused.
      ...(isWebSocket ? {} : { whenFull: "pause", maxBufferBytes: MAX_BUFFER_BYTES }),
      onStatus,
      tls
    })
    const receive = Stream.runForEachArray(
      client.lines,
      Effect.fnUntraced(function* (lines) {
        yield* output.write(lines.map(render).join(""))
        for (const line of lines) {
          if (line.type === "notice") losses.add(line.raw)
          if (line.type === "truncated") output.status(`a line of more than ${Incoming.MAX_LINE_BYTES} bytes is cut`)
        }
      })
    )
    const pace = Option.match(flags.rate, { onNone: () => Effect.void, onSome: pacing })
    const input: Stream.Stream<string | Line, ConnectFailure> = terminal?.lines ?? Input.standardInput
    const send = input.pipe(
      Stream.runForEach((line) => {
        if (typeof line === "string") return Effect.andThen(pace, client.send(line))
        if (!line.isCut) return Effect.andThen(pace, client.send(line.bytes))
        losses.overlong++
        return Effect.void
      }),
      // The end of the client is the end of `receive`.
      Effect.andThen(listen ? Effect.void : Effect.ignore(client.close(Infinity))),
      Effect.catchTag("NotSent", () => Effect.void),
      Effect.andThen(Effect.never)
    )
    yield* Effect.raceFirst(receive, send)
    losses.notRead = yield* client.dropped
  }).pipe(
    Effect.scoped,
    Effect.catchTags({
      CannotConnect: (error) => new ConnectFailure({ message: describe(error), exitCode: 2 }),
      Disconnected: (error) =>
        SHUTDOWN_NOTICES.has(error.notice ?? "") && !retry
          ? Effect.void
          : new ConnectFailure({ message: describe(error), exitCode: 3 })
    }),
    Effect.tap(() => Effect.sync(() => inform(`disconnected from ${server.name}`))),
    Effect.andThen(Effect.suspend(() => losses.report)),
    Effect.exit,
    Effect.tap(output.flushed),
    Effect.flatten
  )
  return yield* Effect.raceAllFirst([session, output.closed, ...(terminal === undefined ? [] : [terminal.quit])])
})

/** A client for people and scripts: sends the lines of standard input and shows what the others send. */
export const connect = Command.make("connect", parameters, (parameters) =>
  Effect.andThen(endOnHangup, untilSignal(Effect.scoped(run(parameters))))
).pipe(
  Command.withDescription(`Connect to a server: send the lines of standard input, print what the other clients send.

On a terminal lines can be edited and recalled; Ctrl-C and Ctrl-D leave. Without one, standard input is sent to its end, and what arrives until the server has closed the connection is printed.

Exit codes: 0 all was sent, or the server shut down, or left with Ctrl-C or by a signal; 1 usage error, or a file, standard input or output failed; 2 cannot connect; 3 the connection was lost; 4 lines were dropped.`),
  Command.withShortDescription("Connect to a server as a client"),
  Command.withExamples([
    { command: "summoner-server connect", description: "Chat with whoever is at 127.0.0.1:8888" },
    { command: "summoner-server connect wss://chat.example.org/", description: "Come by WebSocket" },
    { command: "summoner-server connect --rate 300 :9000 < lines.txt", description: "Send a file, slowly enough" },
    {
      command: "summoner-server connect --json --listen --retry < /dev/null | jq .content",
      description: "Follow what is said, across restarts of the server"
    }
  ])
)
