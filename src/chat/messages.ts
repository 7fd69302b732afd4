import type { Message } from "../client/browser.ts"
import { $, element } from "../page/elements.ts"
import { hueOf, nameIn } from "./names.ts"

/** An entry of the log, and the length of all its text, also of what is not shown yet. */
export interface Entry {
  readonly item: HTMLLIElement
  readonly characters: number
}

/** Entries on the page at most, and their length together, in characters. */
const MOST = 500
const MOST_CHARACTERS = 2_000_000

/** What is shown of a long message before it is asked for, in characters. */
const BEGINNING = 2000

/** Distance from the end at which the log follows new messages, in pixels. */
const AT_END = 60

const log = $("#log")
const list = $("#messages")
const latest = $("#latest", HTMLButtonElement)
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" })

const lengths: Array<number> = []
let characters = 0
let unseen = 0

const isAtEnd = (): boolean => log.scrollHeight - log.scrollTop - log.clientHeight < AT_END

/** Shows the last entry, and goes on following. */
export const scrollToEnd = (): void => {
  log.scrollTop = log.scrollHeight
  unseen = 0
  latest.hidden = true
}

log.addEventListener("scroll", () => {
  if (isAtEnd() && unseen > 0) scrollToEnd()
})
latest.addEventListener("click", () => {
  scrollToEnd()
  log.focus()
})

/** Adds entries to the end, and removes as many from the beginning as are too many. Follows them if the end is in sight. */
export const add = (entries: ReadonlyArray<Entry>): void => {
  if (entries.length === 0) return
  const follows = isAtEnd()
  $("#empty").hidden = true
  list.append(...entries.map(({ item }) => item))
  for (const entry of entries) {
    lengths.push(entry.characters)
    characters += entry.characters
  }
  while (lengths.length > MOST || (characters > MOST_CHARACTERS && lengths.length > 1)) {
    characters -= lengths.shift()!
    list.firstElementChild!.remove()
  }
  if (follows) return scrollToEnd()
  unseen += entries.length
  latest.hidden = false
  latest.textContent = `${unseen} new, to the end`
}

const timed = (kind: string): HTMLLIElement => {
  const item = element("li", { class: kind })
  const now = new Date()
  item.append(element("time", { datetime: now.toISOString() }, clock.format(now)))
  return item
}

/** The text of a message, isolated so that its direction of writing changes nothing around it. */
const content = (text: string): ReadonlyArray<HTMLElement> => {
  const shown = element("bdi", { class: /^[[{]/.test(text) ? "code" : "" })
  const show = (shownText: string) => {
    const name = nameIn(shownText)
    if (name === undefined) shown.textContent = shownText
    else shown.replaceChildren(element("bdi", { class: "name" }, name), shownText.slice(name.length))
  }
  if (text.length <= BEGINNING) {
    show(text)
    return [shown]
  }
  show(`${text.slice(0, BEGINNING)} …`)
  const more = element(
    "button",
    { class: "more", type: "button" },
    `Show all ${text.length.toLocaleString()} characters`
  )
  more.addEventListener("click", () => {
    show(text)
    more.remove()
    log.focus()
  })
  return [shown, more]
}

/** A line of somebody else. */
export const message = ({ address, content: text }: Message): Entry => {
  const item = timed("message")
  const from = element("bdi", { class: "from" }, address)
  from.style.setProperty("--hue", String(hueOf(address)))
  item.append(from, ...content(text))
  return { item, characters: text.length }
}

/** A line of one's own, which is not sent yet. */
export const own = (text: string) => {
  const item = timed("own")
  const state = element("span", { class: "state" }, " waiting for the connection")
  item.append(element("span", { class: "from" }, "You"), ...content(text), state)
  return {
    entry: { item, characters: text.length } satisfies Entry,
    sent: () => state.remove(),
    notSent: (reason: string) => {
      state.textContent = ` not sent: ${reason}`
    }
  }
}

export const notice = (text: string): Entry => {
  const item = timed("notice")
  item.append(element("bdi", {}, text))
  return { item, characters: text.length }
}

/** What has happened to the connection. */
export const event = (text: string): Entry => remark("event", text)

/** Messages that came faster than a page can show them. */
export const skipped = (count: number): Entry =>
  remark("skipped", `${count.toLocaleString()} ${count === 1 ? "message" : "messages"} not shown: too many at once`)

const remark = (kind: string, text: string): Entry => ({
  item: element("li", { class: kind }, text),
  characters: text.length
})
