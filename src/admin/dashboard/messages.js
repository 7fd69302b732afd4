// The messages of the room while somebody wants to see them, and a message to everybody.
"use strict"

const MESSAGES_SHOWN = 200

/**
 * The `messages` event: those of one second.
 *
 * @typedef {object} Messages
 * @property {ReadonlyArray<Message>} messages
 * @property {number} missed messages left out
 */

const messagesButton = $("#messages-toggle", HTMLButtonElement)
const messagesProblem = $("#messages-problem")

/**
 * Ends the stream that is open.
 *
 * @type {AbortController | undefined}
 */
let tail

/** Messages that the server left out. */
let unseen = 0

/** @param {Messages} batch */
const addMessages = ({ messages, missed }) => {
  const list = $("#messages")
  for (const { at, content, from, omitted } of messages) {
    const cut = omitted === 0 ? [] : [element("span", { class: "soft" }, ` … ${whole.format(omitted)} characters more`)]
    list.prepend(
      element(
        "li",
        {},
        element("time", { class: "soft", datetime: at }, clock(at)),
        element("span", {}, mono(from), " ", element("span", {}, content), ...cut)
      )
    )
  }
  while (list.children.length > MESSAGES_SHOWN) list.lastElementChild?.remove()
  unseen += missed
  setText($("#messages-missed"), unseen === 0 ? "" : `${whole.format(unseen)} not shown`)
  $("#messages-empty").hidden = list.children.length > 0
}

const hideMessages = () => {
  tail?.abort()
  tail = undefined
  unseen = 0
  $("#messages").replaceChildren()
  addMessages({ messages: [], missed: 0 })
  setText(messagesButton, "Show messages")
  setText($("#messages-empty"), "Not shown. Messages are what clients say to each other: reading them needs the token.")
}

const openMessages = async () => {
  const controller = new AbortController()
  tail = controller
  setText(messagesProblem, "")
  setText(messagesButton, "Hide messages")
  setText($("#messages-empty"), "Waiting for the next message.")
  let problem = "The connection is lost."
  try {
    const show = (/** @type {string} */ _, /** @type {unknown} */ data) => addMessages(/** @type {Messages} */ (data))
    await readEvents("api/messages", controller, show, true)
  } catch (error) {
    problem = explain(error)
  }
  // Hidden, or hidden and shown again.
  if (tail !== controller) return
  hideMessages()
  setText(messagesProblem, problem)
}

messagesButton.addEventListener("click", () => (tail === undefined ? openMessages() : hideMessages()))
hideMessages()

$("#broadcast-form").addEventListener("submit", (event) => {
  event.preventDefault()
  const field = $("#broadcast-content", HTMLInputElement)
  const from = $("#broadcast-from", HTMLInputElement).value.trim()
  const content = field.value
  if (content === "") return field.focus()
  perform(
    () => act("api/broadcast", { content, ...(from === "" ? {} : { from }) }),
    messagesProblem,
    () => {
      field.value = ""
      say("The message was sent to every client.")
    }
  )
})
