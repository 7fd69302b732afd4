import { $ } from "../page/elements.ts"

/** Between two announcements, in milliseconds: a screen reader that is told more often never comes to an end. */
const PAUSE_MILLIS = 2000

/** The longest text that is read aloud, in characters. */
const LONGEST = 300

const target = $("#announcer")
let waiting = 0
let last = ""
let timer: ReturnType<typeof setTimeout> | undefined

const speak = (): void => {
  if (waiting === 0) {
    timer = undefined
    return
  }
  target.textContent =
    waiting === 1 ? last.slice(0, LONGEST) : `${waiting} new messages. The last: ${last.slice(0, LONGEST)}`
  waiting = 0
  timer = setTimeout(speak, PAUSE_MILLIS)
}

/** Has screen readers read a text; of several that come at once, their number and the last. */
export const announce = (text: string, count = 1): void => {
  waiting += count
  last = text
  timer ??= setTimeout(speak)
}
