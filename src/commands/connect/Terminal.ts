import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Readline from "node:readline"

/** An interactive terminal: the input line below, received lines above it. */
export interface Terminal {
  /** The lines entered. Ends when the user leaves with Ctrl-D. */
  readonly lines: Stream.Stream<string>
  /** Runs a function that writes whole lines, above the input line. */
  readonly above: (write: () => void) => void
  readonly quit: Effect.Effect<void>
}

/** Lines kept for the arrow keys. */
const HISTORY_LINES = 500

/** The most bytes that wait for the server. Lines above it are dropped: pausing the keyboard would also block Ctrl-C. */
const MAX_WAITING_BYTES = 1_048_576

/** Whether standard input and output are a terminal that can edit lines. */
export const isAvailable = (): boolean =>
  process.stdin.isTTY === true && process.stdout.isTTY === true && process.env["TERM"] !== "dumb"

/**
 * Controls the terminal until the scope closes. Ctrl-C quits; Ctrl-D quits once all input is sent.
 *
 * @param isConnected whether the input can be sent; if not, Ctrl-D quits at once
 */
export const make = Effect.fnUntraced(function* (
  isConnected: () => boolean
): Effect.fn.Return<Terminal, never, Scope.Scope> {
  const { stdin, stdout } = process
  const graphemes = new Intl.Segmenter()
  const quit = yield* Deferred.make<void>()
  const hasNews = Latch.makeUnsafe(false)
  let waiting: Array<string> = []
  let waitingBytes = 0
  let droppedLines = 0
  let isClosed = false

  const onInterrupt = () => Deferred.doneUnsafe(quit, Effect.void)
  const add = (line: string) => {
    const bytes = Buffer.byteLength(line) + 1
    if (waitingBytes + bytes > MAX_WAITING_BYTES) {
      if (++droppedLines === 1) report("the server takes no more lines: lines entered now are dropped")
    } else {
      waiting.push(line)
      waitingBytes += bytes
      hasNews.openUnsafe()
    }
    readline.prompt()
  }
  const report = (line: string) => above(() => void process.stderr.write(`${line}\n`))
  const onClose = () => {
    erase()
    isClosed = true
    if (waiting.length === 0 && !isConnected()) onInterrupt()
    hasNews.openUnsafe()
  }
  const erase = () => {
    // `getCursorPos` accounts for wide characters and wrapped lines.
    const { rows } = readline.getCursorPos()
    if (rows > 0) Readline.moveCursor(stdout, 0, -rows)
    Readline.cursorTo(stdout, 0)
    Readline.clearScreenDown(stdout)
  }
  /** Tells readline how many rows above the cursor it begins to redraw. */
  const setPreviousRows = (rows: number) => {
    ;(readline as Readline.Interface & { prevRows?: number }).prevRows = rows
  }
  const above = (write: () => void) => {
    if (isClosed) return write()
    erase()
    write()
    setPreviousRows(0)
    readline.prompt(true)
  }

  const readline = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Readline.createInterface({
        input: stdin,
        output: stdout,
        prompt: "> ",
        historySize: HISTORY_LINES,
        removeHistoryDuplicates: true
      })
    ),
    (readline) =>
      Effect.sync(() => {
        readline.close()
        stdin.destroy()
      })
  )
  // A key acts on what a person sees as one character; readline knows code points, so it is told the key once for each.
  const onKey = (_: string | undefined, { ctrl, meta, name }: Readline.Key) => {
    if (ctrl || meta) return
    const { cursor, line } = readline
    const part =
      name === "backspace" || name === "left"
        ? Array.from(graphemes.segment(line.slice(0, cursor))).at(-1)
        : name === "delete" || name === "right"
          ? graphemes.segment(line.slice(cursor)).containing(0)
          : undefined
    const others = Array.from(part?.segment ?? "").length - 1
    for (let i = 0; i < others; i++) readline.write(null, { name: name! })
  }
  stdin.prependListener("keypress", onKey)
  yield* Effect.addFinalizer(() => Effect.sync(() => stdin.off("keypress", onKey)))
  // The terminal has wrapped the line anew, and its first row is elsewhere.
  const onResize = () => {
    setPreviousRows(readline.getCursorPos().rows)
  }
  stdout.prependListener("resize", onResize)
  yield* Effect.addFinalizer(() => Effect.sync(() => stdout.off("resize", onResize)))
  // The terminal is gone, as after its window is closed.
  const end = () => readline.close()
  readline.on("line", add).on("SIGINT", onInterrupt).on("close", onClose).on("error", end)
  readline.prompt()

  const pull = Effect.gen(function* () {
    while (true) {
      const [first, ...rest] = waiting
      if (first !== undefined) {
        waiting = []
        waitingBytes = 0
        if (droppedLines > 0) report(`lines are sent again; dropped: ${droppedLines}`)
        droppedLines = 0
        return [first, ...rest] as const
      }
      if (isClosed) return yield* Cause.done()
      hasNews.closeUnsafe()
      yield* hasNews.await
    }
  })

  return { above, quit: Deferred.await(quit), lines: Stream.fromPull(Effect.succeed(pull)) }
})
