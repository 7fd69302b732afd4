// The server-sent events.
"use strict"

/** The longest event, in characters. */
const MAX_EVENT = 1_000_000

/** The server sends an event every second, on each stream. */
const SILENCE_MILLIS = 10_000

/** The pause between attempts to connect. */
const FIRST_WAIT_MILLIS = 1000
const MAX_WAIT_MILLIS = 15_000

/** Ends the current stream of events. */
let stream = new AbortController()

/** Ends the wait before the next attempt. */
let wake = () => {}

/**
 * Reads server-sent events until the stream ends. `EventSource` cannot send the token.
 *
 * @param {string} path
 * @param {AbortController} controller ends it
 * @param {(name: string, data: unknown) => void} onEvent
 * @param {boolean} [isAction] the user asked for it
 */
const readEvents = async (path, controller, onEvent, isAction) => {
  const { body } = await request(path, { signal: controller.signal, isAction })
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
        const [, name = "", data = ""] = /^event: (.*)\ndata: (.*)$/m.exec(event) ?? []
        onEvent(name, JSON.parse(data))
      }
    }
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
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

/** Follows the events, and reconnects with a growing pause. */
const follow = async () => {
  let wait = FIRST_WAIT_MILLIS
  while (true) {
    let problem = "connection lost, trying again"
    stream = new AbortController()
    try {
      replay(/** @type {ReadonlyArray<Stats>} */ (await get("api/history", stream.signal)))
      await readEvents("api/events", stream, (name, data) => {
        wait = FIRST_WAIT_MILLIS
        try {
          showEvent(name, data)
        } catch (error) {
          // A fault of the page, not of the connection.
          reportError(error)
        }
      })
    } catch (error) {
      if (error instanceof RequestError)
        problem = error.status === 401 ? "a token is needed" : `${error.message}, trying again`
    }
    showConnection(problem, "bad")
    await new Promise((/** @type {(_: void) => void} */ resolve) => {
      wake = resolve
      setTimeout(resolve, wait)
    })
    wait = Math.min(2 * wait, MAX_WAIT_MILLIS)
  }
}
