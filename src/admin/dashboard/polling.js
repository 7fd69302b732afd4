// What the page asks for again and again.
"use strict"

/** Between an answer and the next question. */
const LEAST_PAUSE_MILLIS = 2000
const MAX_PAUSE_MILLIS = 60_000

/**
 * Reads something every two seconds while somebody looks at the page: but so that a server for which the answer is a lot of work
 * has ten times as long for other things.
 *
 * @template Answer
 * @param {(signal: AbortSignal) => Promise<Answer>} read
 * @param {(answer: Answer) => void} show
 */
const poll = (read, show) => {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  let controller = new AbortController()
  let told = ""
  const now = async () => {
    clearTimeout(timer)
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    if (document.hidden) return
    const from = performance.now()
    /** @type {Answer | Error} */
    const answer = await read(AbortSignal.any([signal, AbortSignal.timeout(60_000)])).catch((error) => error)
    // Another one was begun meanwhile.
    if (signal.aborted) return
    const isTokenMissing = answer instanceof Refused && answer.status === 401
    // How long somebody was asked for a token is not how long the server has worked.
    const took = isTokenMissing ? 0 : performance.now() - from
    timer = setTimeout(now, Math.min(MAX_PAUSE_MILLIS, Math.max(LEAST_PAUSE_MILLIS, 10 * took)))
    // That the server is out of reach, or wants a token, is said at the top of the page.
    const problem = answer instanceof Refused && !isTokenMissing ? explain(answer) : ""
    if (problem !== "" && problem !== told) say(problem, true)
    told = problem
    if (!(answer instanceof Error)) show(answer)
  }
  return { now }
}
