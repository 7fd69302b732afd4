/** The chat that the relay serves to browsers: a page over `summoner-server/client`. */
import { type Client, connect, type Incoming, type Status } from "../client/browser.ts"
import { $ } from "../page/elements.ts"
import { announce } from "./announcer.ts"
import * as Messages from "./messages.ts"
import * as Names from "./names.ts"

/** Lines shown at once at most; the last ones of more. */
const MOST_AT_ONCE = 100

/** What has arrived and is not shown yet may take this much, in bytes: the browser may let a hidden page sleep. */
const MAX_BUFFER_BYTES = 8_388_608

/** Between two looks of a page that nobody sees, in milliseconds. */
const HIDDEN_MILLIS = 500

const title = document.title
const text = $("#text", HTMLInputElement)
const status = $("#status")
let client: Client | undefined
let unread = 0
let wasConnected: boolean | undefined

const showStatus = (state: "connected" | "disconnected", words: string) => {
  status.dataset["state"] = state
  status.textContent = words
}

const onStatus = (now: Status) => {
  if (now.state === "connected") {
    showStatus("connected", "Connected")
    if (wasConnected === false) Messages.add([Messages.event("Connected again. What was said meanwhile is not here.")])
    wasConnected = true
    return
  }
  const reason = now.error.reason
  showStatus("disconnected", `Disconnected: ${reason}. Trying again in ${Math.ceil(now.retryMillis / 1000)} s.`)
  if (wasConnected === true) {
    Messages.add([Messages.event(`Disconnected: ${reason}.`)])
    wasConnected = false
  }
}

const entryOf = (line: Incoming): Messages.Entry => {
  if (line.type === "message") return Messages.message(line)
  // A relay sends no line that is too long for a client.
  return line.type === "notice" ? Messages.notice(line.raw) : Messages.skipped(1)
}

const show = (lines: ReadonlyArray<Incoming>, dropped: number) => {
  const shown = lines.slice(-MOST_AT_ONCE)
  const left = lines.length - shown.length + dropped
  Messages.add([...(left > 0 ? [Messages.skipped(left)] : []), ...shown.map(entryOf)])
  const last = lines.at(-1)
  if (last !== undefined) announce(last.type === "message" ? last.content : last.raw, lines.length + dropped)
  if (!document.hidden) return
  unread += lines.length + dropped
  document.title = `(${unread.toLocaleString()}) ${title}`
}

/** When the browser next draws the page. */
const nextDrawing = () =>
  new Promise<unknown>((resolve) => {
    if (document.hidden) setTimeout(resolve, HIDDEN_MILLIS)
    else requestAnimationFrame(resolve)
  })

const send = async (connected: Client, line: string) => {
  const { entry, notSent, sent } = Messages.own(line)
  Messages.add([entry])
  Messages.scrollToEnd()
  try {
    await connected.send(line)
    sent()
  } catch (error) {
    notSent((error as Error).message)
  }
}

$("#form").addEventListener("submit", (event) => {
  event.preventDefault()
  const said = text.value.trim()
  if (said === "" || client === undefined) return
  const name = Names.own()
  text.value = ""
  void send(client, name === "" ? said : `${name}: ${said}`)
})

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return
  unread = 0
  document.title = title
})

const run = async () => {
  const url = new URL(location.pathname, location.href)
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:"
  client = await connect(url.href, {
    maxBufferBytes: MAX_BUFFER_BYTES,
    onStatus,
    reconnect: { attempts: Infinity, initially: true }
  })
  $("#send", HTMLButtonElement).disabled = false
  let dropped = 0
  while (await client.readable()) {
    show(client.takeAll(), client.dropped - dropped)
    dropped = client.dropped
    await nextDrawing()
  }
}

$("#relay").textContent = location.host
Names.remember()
text.focus()
run().catch((error: unknown) => showStatus("disconnected", `${String(error)}. Reload the page.`))
