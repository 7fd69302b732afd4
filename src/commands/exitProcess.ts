import * as Effect from "effect/Effect"

const POLL_MILLIS = 20

const isFileInUse = (): boolean => process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"))

/**
 * Ends the process, for which `process.exit` waits while a file operation hangs, as on a FIFO or on a network mount that is gone.
 *
 * @param signal ends the process instead, if a file operation hangs
 * @param polls a file operation hangs if it is not done within so many times 20 ms
 */
export const exitProcess = (code: number, signal: NodeJS.Signals, polls = 50): void => {
  if (!isFileInUse()) process.exit(code)
  if (polls > 0) return void setTimeout(exitProcess, POLL_MILLIS, code, signal, polls - 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // The kernel keeps a signal from process 1 of a container.
  process.abort()
}

let isServiceEnded = false

/** Runs what goes on until a signal ends it, which is then a success. */
export const untilSignal = <A, E, R>(service: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.onInterrupt(service, () => Effect.sync(() => void (isServiceEnded = true)))

/** Has a hangup, as of a terminal that is closed, end the program as SIGTERM does: the default action would restore no terminal. */
export const endOnHangup = Effect.sync(() => {
  let isEnding = false
  process.on("SIGHUP", () => {
    // The shell and the kernel may both send one, and a second SIGTERM ends the process at once.
    if (!isEnding) process.kill(process.pid, "SIGTERM")
    isEnding = true
  })
})

/** The exit code of a program that a signal has ended. */
export const codeOfSignal = (signal: "SIGINT" | "SIGTERM" | undefined): number =>
  isServiceEnded ? 0 : signal === "SIGTERM" ? 143 : 130
