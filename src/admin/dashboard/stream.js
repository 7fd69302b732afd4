// The events of the server: what it tells every second, for as long as the page is open.
"use strict"

/** Longer than any event that the server sends, in characters. */
const MAX_EVENT = 1_000_000

/** The server says something every second. */
const SILENCE_MILLIS = 10_000

/** Between attempts to reach the server. */
const FIRST_WAIT_MILLIS = 1000
const MAX_WAIT_MILLIS = 15_000

/** Ends the stream that there is. */
let stream = new AbortController()

/** Ends the wait before the next attempt. */
let wake = () => {}

/**
 * Reads server-sent events until they end. `EventSource` cannot send the token.
 *
 * @param {(name: string, data: unknown) => void} onEvent
 */
const readEvents = async (onEvent) => {
  const controller = new AbortController()
  stream = controller
  const { body } = await request("/api/events", { signal: controller.signal })
  if (body === null) return
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  try {
    while (rest.length < MAX_EVENT) {
      clearTimeout(timer)
      timer = setTimeout(() => controller.abort(), SILENCE_MILLIS)
      const { done, value } = await reader.read()
      if (done) return
      const events = (rest + value).split("\n\n")
      rest = events.pop() ?? ""
      for (const event of events) {
        const fields = new Map(event.split("\n").map((line) => fieldOf(line)))
        onEvent(fields.get("event") ?? "", JSON.parse(fields.get("data") ?? ""))
      }
    }
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
}

/**
 * @param {string} line
 * @returns {[name: string, value: string]}
 */
const fieldOf = (line) => {
  const [name, value] = line.split(/: (.*)/s)
  return [name, value]
}

/**
 * @param {string} name
 * @param {unknown} data
 */
const showEvent = (name, data) => {
  showConnection("live", "good")
  if (name === "stats") {
    remember(/** @type {Stats} */ (data))
    if (!document.hidden) render()
  } else if (name === "changes") showChanges(/** @type {Changes} */ (data))
}

/**
 * @param {string} text
 * @param {string} className
 */
const showConnection = (text, className) => {
  const badge = $("#connection")
  setText(badge, text)
  badge.className = `badge ${className}`
}

/** Follows the events. After each failure it waits longer, up to a quarter of a minute. */
const follow = async () => {
  let wait = FIRST_WAIT_MILLIS
  while (true) {
    let problem = "connection lost, trying again"
    await readEvents((name, data) => {
      wait = FIRST_WAIT_MILLIS
      try {
        showEvent(name, data)
      } catch (error) {
        // A mistake of this page must not look like one of the connection.
        reportError(error)
      }
    }).catch((error) => {
      if (error instanceof Refused)
        problem = error.status === 401 ? "a token is needed" : `${error.message}, trying again`
    })
    showConnection(problem, "bad")
    await new Promise((/** @type {(_: void) => void} */ resolve) => {
      wake = resolve
      setTimeout(resolve, wait)
    })
    wait = Math.min(2 * wait, MAX_WAIT_MILLIS)
  }
}
