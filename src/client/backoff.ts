import type { ClientError } from "./ClientError.ts"

/** A longer timer would end at once. */
export const LONGEST_TIMER_MILLIS = 2 ** 31 - 1

const QUARANTINED = /^Warning: You are quarantined\. Please try again in (\d+) second/

/**
 * The pause before an attempt to connect again, in milliseconds: 250 ms, doubled each time, up to 10 s, with jitter that keeps clients
 * from coming back all at once.
 *
 * @param failures failures before this one
 * @param random from 0 to 1
 */
export const backoffMillis = (failures: number, random: number): number =>
  Math.min(250 * 2 ** failures, 8000) * (0.8 + 0.4 * random)

/** How long the server keeps this client out, by its last notice, in milliseconds. */
export const quarantineMillis = (error: ClientError): number =>
  error._tag === "Disconnected"
    ? Math.min(Number(QUARANTINED.exec(error.notice ?? "")?.[1] ?? 0) * 1000, LONGEST_TIMER_MILLIS)
    : 0

/** Waits, until the signal aborts at most. */
export const pause = (millis: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, millis)
    signal.addEventListener("abort", done)
    if (signal.aborted) done()
  })
