import { eventParser } from "../eventParser.ts"
import type { Stats } from "../Readings.ts"
import { $, setText } from "../../page/elements.ts"
import { RequestError } from "./http.ts"
import { get, request } from "./requests.ts"

/** The server sends an event every second, on each stream. */
const SILENCE_MILLIS = 10_000

const FIRST_WAIT_MILLIS = 1000
const MAX_WAIT_MILLIS = 15_000

/**
 * Reads server-sent events until the stream ends. `EventSource` cannot send the token.
 *
 * @param controller ends it
 * @param isAction the user asked for it
 */
export const readEvents = async (
  path: string,
  controller: AbortController,
  onEvent: (name: string, data: unknown) => void,
  isAction = false
): Promise<void> => {
  const { body } = await request(path, { signal: controller.signal, isAction })
  if (body === null) return
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  const parse = eventParser()
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    while (true) {
      clearTimeout(timer)
      timer = setTimeout(() => controller.abort(), SILENCE_MILLIS)
      const { done, value } = await reader.read()
      if (done) return
      for (const { data, name } of parse(value)) onEvent(name, data)
    }
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
}

const showConnection = (text: string, className: string) => {
  const badge = $("#connection")
  setText(badge, text)
  badge.className = `badge ${className}`
}

/** Ends the current stream of events, and the wait before the next attempt. */
let stream = new AbortController()
let endWait = () => {}

export const disconnect = (): void => stream.abort()
export const reconnect = (): void => endWait()

/** Follows the events, and reconnects with a growing pause. */
export const follow = async (
  onHistory: (entries: ReadonlyArray<Stats>) => void,
  onEvent: (name: string, data: unknown) => void
): Promise<never> => {
  let wait = FIRST_WAIT_MILLIS
  while (true) {
    let problem = "connection lost, trying again"
    stream = new AbortController()
    try {
      onHistory(await get("api/history", stream.signal))
      await readEvents("api/events", stream, (name, data) => {
        wait = FIRST_WAIT_MILLIS
        showConnection("live", "good")
        try {
          onEvent(name, data)
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
    await new Promise<void>((resolve) => {
      endWait = resolve
      setTimeout(resolve, wait)
    })
    wait = Math.min(2 * wait, MAX_WAIT_MILLIS)
  }
}
