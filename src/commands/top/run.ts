import * as CliError from "effect/cli/CliError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { eventParser } from "../../admin/eventParser.ts"
import { Readings, type Stats } from "../../admin/Readings.ts"
import { reasonOf } from "../../client/systemErrors.ts"
import { escapeText, invisibleIn } from "../../internal/escape.ts"
import * as StandardOutput from "../connect/StandardOutput.ts"
import type { Parameters } from "../top.ts"
import { type Change, type Client, picture } from "./picture.ts"

/** An admin port answers at once, and sends an event every second. */
const SILENCE = "10 seconds"
const SILENT = `silent for ${SILENCE}`

/** Clients asked for: no terminal has more rows. */
const MAX_CLIENTS = 200

/** Client events kept. */
const MAX_CHANGES = 20

/** The admin port does not answer, or not as one does. Exit code 2. */
class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", { message: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 2
}

const noAnswer = (url: URL, cause: unknown): NoAnswer => {
  const error =
    cause instanceof Error ? ((cause.cause as NodeJS.ErrnoException | undefined) ?? cause) : new Error(String(cause))
  // The message of an error may quote what a stranger has sent.
  return new NoAnswer({ message: escapeText(`no answer from ${url.origin}: ${reasonOf(error)}`) })
}

/** Shows the server until the user leaves, or once where there is no terminal. */
export const run = Effect.fnUntraced(function* ({ sort, url }: Parameters) {
  const hidden = invisibleIn(process.env["SUMMONER_ADMIN_TOKEN"] ?? "")
  if (hidden !== undefined) {
    const cause = `SUMMONER_ADMIN_TOKEN: expected no invisible characters, found ${hidden}`
    return yield* new CliError.UserError({ cause })
  }
  const output = yield* StandardOutput.make()
  const readings = new Readings()
  const isTerminal = process.stdout.isTTY === true
  let clients: ReadonlyArray<Client> = []
  let changes: ReadonlyArray<Change> = []

  const draw = (problem?: string) => {
    const scene = { url: url.origin, readings, clients, changes, problem }
    if (!isTerminal) return output.write(`${picture(scene, { columns: 1000, rows: MAX_CLIENTS }).join("\n")}\n`)
    const { columns, rows } = process.stdout
    // Over what is there, without a blink.
    return output.write(`\u001b[H${picture(scene, { columns, rows }).join("\u001b[K\r\n")}\u001b[J`)
  }

  const update = Effect.fnUntraced(function* (name: string, data: unknown) {
    if (name === "changes") {
      const { changes: latest } = data as { readonly changes: ReadonlyArray<Change> }
      changes = [...latest.toReversed(), ...changes].slice(0, MAX_CHANGES)
    }
    if (name !== "stats") return false
    readings.add(data as Stats)
    const listed = yield* ask(url, `/api/clients?limit=${MAX_CLIENTS}&order=desc&sort=${sort}`)
    clients = (listed as { readonly clients: ReadonlyArray<Client> }).clients
    // The first has no rates yet.
    const isComplete = readings.rate("lines_in") !== undefined
    if (isTerminal || isComplete) yield* draw()
    return isComplete && !isTerminal
  })

  const show = Effect.scoped(follow(url, update))
  if (!isTerminal) return yield* Effect.andThen(Effect.raceFirst(show, output.closed), output.flushed)
  const { quit } = yield* takeTerminal
  // Only a server that has answered once is waited for.
  const again = Effect.tapError(show, ({ message }) => (readings.now === undefined ? Effect.void : draw(message))).pipe(
    Effect.retry({ schedule: Schedule.spaced("2 seconds"), while: () => readings.now !== undefined })
  )
  return yield* Effect.raceAllFirst([again, quit, output.closed])
})

/** Takes the terminal until the scope closes. `quit` is done when the user leaves. */
const takeTerminal = Effect.gen(function* () {
  const { stdin, stdout } = process
  const left = yield* Deferred.make<void>()
  const leave = () => Deferred.doneUnsafe(left, Effect.void)
  const onKeys = (keys: Buffer) => {
    // In raw mode Ctrl-C is a character.
    if (Array.from(String(keys)).some((key) => "qQ\u0003\u0004".includes(key))) leave()
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      stdout.write("\u001b[?1049h\u001b[?25l")
      // The error of a terminal that was closed may come after the scope.
      if (stdin.isTTY) stdin.setRawMode(true).on("data", onKeys).on("end", leave).on("error", leave)
    }),
    () =>
      Effect.sync(() => {
        stdin.off("data", onKeys)
        if (stdin.isTTY) stdin.setRawMode(false)
        stdin.destroy()
        stdout.write("\u001b[?25h\u001b[?1049l")
      })
  )
  return { quit: Deferred.await(left) }
})

const unlessSilent = (url: URL) =>
  Effect.timeoutOrElse({ duration: SILENCE, orElse: () => Effect.fail(noAnswer(url, SILENT)) })

/** Asks the admin port. The scope ends the request. */
const request = Effect.fnUntraced(function* (url: URL, path: string) {
  const { signal } = yield* Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (controller) => Effect.sync(() => controller.abort())
  )
  const token = process.env["SUMMONER_ADMIN_TOKEN"]
  const response = yield* Effect.tryPromise({
    try: () =>
      fetch(new URL(path, url), { signal, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }),
    catch: (cause) => noAnswer(url, cause)
  }).pipe(unlessSilent(url))
  if (response.ok && response.body !== null) return response
  const hint = response.status === 401 ? "it wants a token: set SUMMONER_ADMIN_TOKEN" : `HTTP status ${response.status}`
  return yield* noAnswer(url, hint)
})

const ask = (url: URL, path: string) =>
  Effect.scoped(
    Effect.flatMap(request(url, path), (response) =>
      Effect.tryPromise({ try: () => response.json() as Promise<unknown>, catch: (cause) => noAnswer(url, cause) })
    )
  )

/** Reads server-sent events until one of them is the last. */
const follow = Effect.fnUntraced(function* <E>(
  url: URL,
  isLast: (name: string, data: unknown) => Effect.Effect<boolean, E>
) {
  const response = yield* request(url, "/api/events")
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) {
    return yield* noAnswer(url, "it is not the admin port of a summoner-server")
  }
  const failed = (cause: unknown) => noAnswer(url, cause)
  const parse = eventParser()
  const last = yield* Stream.fromReadableStream({ evaluate: () => response.body!, onError: failed }).pipe(
    Stream.timeoutOrElse({ duration: SILENCE, orElse: () => Stream.fail(failed(SILENT)) }),
    Stream.decodeText(),
    Stream.mapEffect((text) => Effect.try({ try: () => parse(text), catch: failed })),
    Stream.flattenIterable,
    Stream.mapEffect(({ data, name }) => isLast(name, data)),
    Stream.filter((isLast) => isLast),
    Stream.runHead
  )
  if (Option.isNone(last)) return yield* noAnswer(url, "it has ended the stream of events")
})
