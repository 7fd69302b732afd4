import { explain } from "./dialogs.ts"
import { setText } from "../../page/elements.ts"
import { RequestError } from "./http.ts"
import { get } from "./requests.ts"

/** The pause between a response and the next request. */
const LEAST_PAUSE_MILLIS = 2000
const MAX_PAUSE_MILLIS = 60_000

/**
 * Repeats a request every two seconds while the page is visible. A slow response lengthens the pause to ten times its duration, to bound
 * the load on the server.
 *
 * @param problem says why a request was refused
 * @returns asks now
 */
export const poll = <Answer>(
  path: () => string,
  show: (answer: Answer) => void,
  problem: HTMLElement
): (() => Promise<void>) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  let controller = new AbortController()
  const now = async () => {
    clearTimeout(timer)
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    if (document.hidden) return
    const from = performance.now()
    const answer = await get<Answer>(path(), AbortSignal.any([signal, AbortSignal.timeout(60_000)])).catch(
      (error: Error) => error
    )
    // A newer request replaced this one.
    if (signal.aborted) return
    const isTokenMissing = answer instanceof RequestError && answer.status === 401
    // Excludes the time for which the token dialog was open.
    const took = isTokenMissing ? 0 : performance.now() - from
    timer = setTimeout(now, Math.min(MAX_PAUSE_MILLIS, Math.max(LEAST_PAUSE_MILLIS, 10 * took)))
    // The badge at the top of the page shows a lost connection and a missing token.
    setText(problem, answer instanceof RequestError && !isTokenMissing ? explain(answer) : "")
    if (!(answer instanceof Error)) show(answer)
  }
  return now
}
