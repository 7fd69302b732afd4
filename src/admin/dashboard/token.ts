/** The token for actions, and for reading on a public address. Entering and forgetting it are the events `entered` and `forgotten`. */
import { ask, say } from "./dialogs.ts"
import { $, setText } from "../../page/elements.ts"
import { errorOf, RequestError, send } from "./http.ts"
import { kept } from "../../page/kept.ts"

const button = $("#token")
const input = $("#token-input", HTMLInputElement)

export const tokenEvents = new EventTarget()

const stored = kept("token", () => sessionStorage)

/** Kept by this tab, never in the URL. */
export const token = {
  get: stored.get,
  set: (value: string | null): void => {
    stored.set(value)
    setText(button, value === null ? "Enter token …" : "Forget token")
  }
}

/** The open dialog, shared by all requests that wait for a token. */
let asking: Promise<boolean> | undefined

/** The user cancelled the dialog: periodic requests do not open it again. */
let isDeclined = false

const submit = async () => {
  const given = input.value.trim()
  if (!/^[\x21-\x7e]+$/.test(given)) throw new RequestError(0, "A token has visible ASCII characters and no spaces.")
  const response = await send("api/token", { method: "POST" }, given)
  if (response.status === 401) throw new RequestError(401, "The server does not accept this token.")
  if (!response.ok) throw await errorOf(response)
  token.set(given)
  isDeclined = false
  tokenEvents.dispatchEvent(new Event("entered"))
}

/**
 * Asks the user for the token.
 *
 * @param problem with the previous token
 * @param isWanted opens the dialog even if it was cancelled before
 * @returns whether a token was entered
 */
export const askToken = async (problem: string, isWanted = false): Promise<boolean> => {
  if (isDeclined && !isWanted) return false
  asking ??= new Promise((resolve) => {
    input.value = ""
    ask($("#token-dialog", HTMLDialogElement), {
      problem,
      submit,
      closed: (isDone) => {
        // The token must not stay in the page.
        input.value = ""
        isDeclined = !isDone
        asking = undefined
        resolve(isDone)
      }
    })
  })
  return asking
}

button.addEventListener("click", () => {
  if (token.get() === null) return void askToken("", true)
  token.set(null)
  isDeclined = true
  tokenEvents.dispatchEvent(new Event("forgotten"))
  return say("The token is forgotten.")
})
token.set(token.get())
