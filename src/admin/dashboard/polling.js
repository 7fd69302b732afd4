// Periodic requests.
"use strict"

/** The pause between a response and the next request. */
const LEAST_PAUSE_MILLIS = 2000
const MAX_PAUSE_MILLIS = 60_000

/**
 * Repeats a request every two seconds while the page is visible. A slow response lengthens the pause to ten times its duration, to bound
 * the load on the server.
 *
 * @template Answer
 * @param {(signal: AbortSignal) => Promise<Answer>} read
 * @param {(answer: Answer) => void} show
 * @param {HTMLElement} problem says why a request was refused
 */
const poll = (read, show, problem) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let controller = new AbortController()
  const now = async () => {
    clearTimeout(timer)
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    if (document.hidden) return
    const from = performance.now()
    /** @type {Answer | Error} */
    const answer = await read(AbortSignal.any([signal, AbortSignal.timeout(60_000)])).catch((error) => error)
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
  return { now }
}
