/** The messages of the room while somebody wants to see them, and a message to everybody. */
import type * as AdminApi from "../AdminApi.ts"
import { whole } from "../formats.ts"
import { explain, perform, say } from "./dialogs.ts"
import { $, element, setText } from "../../page/elements.ts"
import { newestFirst } from "./newestFirst.ts"
import { act } from "./requests.ts"
import { readEvents } from "./stream.ts"

/** The `messages` event: those of one second, and how many were left out. */
interface Messages {
  readonly messages: ReadonlyArray<typeof AdminApi.Message.Type>
  readonly missed: number
}

const button = $("#messages-toggle", HTMLButtonElement)
const problem = $("#messages-problem")
const empty = $("#messages-empty")
const shown = newestFirst("messages")

/** Ends the stream that is open. */
let tail: AbortController | undefined

const addMessages = ({ messages, missed }: Messages) => {
  // The first event comes, without a message, when the server has begun to follow the room.
  setText(empty, "Waiting for the next message.")
  for (const { at, content, from, omitted } of messages) {
    const cut = omitted === 0 ? [] : [element("span", { class: "soft" }, ` … ${whole(omitted)} characters more`)]
    shown.add(at, from, element("span", {}, content), ...cut)
  }
  shown.miss(missed)
}

export const hideMessages = (): void => {
  tail?.abort()
  tail = undefined
  shown.clear()
  setText(button, "Show messages")
  setText(empty, "Not shown. Messages are what clients say to each other: reading them needs the token.")
}

const openMessages = async () => {
  const controller = new AbortController()
  tail = controller
  setText(problem, "")
  setText(button, "Hide messages")
  setText(empty, "Connecting.")
  let reason = "The connection is lost."
  try {
    await readEvents("api/messages", controller, (_, data) => addMessages(data as Messages), true)
  } catch (error) {
    reason = explain(error)
  }
  // Hidden, or hidden and shown again.
  if (tail !== controller) return
  hideMessages()
  setText(problem, reason)
}

button.addEventListener("click", () => (tail === undefined ? void openMessages() : hideMessages()))
hideMessages()

$("#broadcast-form").addEventListener("submit", (event) => {
  event.preventDefault()
  const field = $("#broadcast-content", HTMLInputElement)
  const from = $("#broadcast-from", HTMLInputElement).value.trim()
  const content = field.value
  if (content === "") return field.focus()
  return void perform(
    () => act("api/broadcast", { content, ...(from === "" ? {} : { from }) }),
    problem,
    () => {
      field.value = ""
      say("The message was sent to every client.")
    }
  )
})
