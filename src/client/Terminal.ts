import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Readline from "node:readline"
import { type Input, makeSignal } from "./Input.ts"

/** A person at a terminal: line editing and history below, what arrives above. */
export interface Terminal extends Input {
  /** Runs something that writes whole lines to the terminal, above the line that is being typed. */
  readonly above: (write: () => void) => void
  /** Done when the person wants to leave at once. */
  readonly left: Effect.Effect<void>
}

/** Lines kept for the arrow keys. */
const HISTORY_LINES = 500

/**
 * Above this, lines are dropped instead of kept for a server that takes nothing. Not reading the keyboard any more would
 * be worse: Ctrl-C could not be read either.
 */
const MAX_WAITING_BYTES = 1_048_576

/** Whether there is a person who can edit lines. */
export const isAvailable = (): boolean =>
  process.stdin.isTTY === true && process.stdout.isTTY === true && process.env["TERM"] !== "dumb"

/**
 * Takes the terminal over until the scope closes. Ctrl-C leaves; so does Ctrl-D, after all that was typed is sent.
 *
 * @param isConnected whether there is a server to send the rest to; if not, Ctrl-D leaves at once
 */
export const make = Effect.fnUntraced(function* (
  isConnected: () => boolean
): Effect.fn.Return<Terminal, never, Scope.Scope> {
  const { stdin, stdout } = process
  const left = yield* Deferred.make<void>()
  const signal = makeSignal()
  let waiting: Array<string> = []
  let waitingBytes = 0
  let droppedLines = 0
  let isClosed = false

  const leave = () => Deferred.doneUnsafe(left, Effect.void)
  const add = (line: string) => {
    const bytes = Buffer.byteLength(line) + 1
    if (waitingBytes + bytes > MAX_WAITING_BYTES) {
      if (++droppedLines === 1) say("too much waits to be sent: what is entered now is dropped")
    } else {
      waiting.push(line)
      waitingBytes += bytes
      signal.notify()
    }
    readline.prompt()
  }
  const say = (line: string) => above(() => void process.stderr.write(`${line}\n`))
  const onClose = () => {
    erase()
    isClosed = true
    if (waiting.length === 0 && !isConnected()) leave()
    signal.notify()
  }
  const erase = () => {
    // Wide characters and a wrapped line count: so the position is asked for.
    const { rows } = readline.getCursorPos()
    if (rows > 0) Readline.moveCursor(stdout, 0, -rows)
    Readline.cursorTo(stdout, 0)
    Readline.clearScreenDown(stdout)
  }
  const above = (write: () => void) => {
    if (isClosed) return write()
    erase()
    write()
    // The line is drawn anew on a fresh row, not where it began before.
    ;(readline as Readline.Interface & { prevRows?: number }).prevRows = 0
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
  // A terminal that is gone, as after its window is closed, is the end of what will be typed.
  const end = () => readline.close()
  readline.on("line", add).on("SIGINT", leave).on("close", onClose).on("error", end)
  readline.prompt()

  return {
    above,
    left: Deferred.await(left),
    ready: signal.wait,
    takeUnsafe: () => {
      if (waiting.length === 0) return undefined
      const bytes = Buffer.from(`${waiting.join("\n")}\n`)
      waiting = []
      waitingBytes = 0
      if (droppedLines > 0) say(`lines are sent again; ${droppedLines} ${droppedLines === 1 ? "was" : "were"} dropped`)
      droppedLines = 0
      return bytes
    },
    isEndedUnsafe: () => isClosed && waiting.length === 0
  }
})
