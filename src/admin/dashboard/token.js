// The token for actions, and for reading on a public address.
"use strict"

const tokenButton = $("#token")
const tokenInput = $("#token-input", HTMLInputElement)

/** Kept in the session storage of this tab, never in the URL. */
const token = {
  get: () => sessionStorage.getItem("token"),
  /** @param {string | null} value */
  set: (value) => {
    if (value === null) sessionStorage.removeItem("token")
    else sessionStorage.setItem("token", value)
    setText(tokenButton, value === null ? "Enter token …" : "Forget token")
  }
}

/**
 * The open dialog, shared by all requests that wait for a token.
 *
 * @type {Promise<boolean> | undefined}
 */
let asking

/** The user cancelled the dialog: periodic requests do not open it again. */
let isDeclined = false

/**
 * @param {string} problem with the previous token
 * @param {boolean} [isWanted] opens the dialog even if it was cancelled before
 * @returns whether a token was entered
 */
const askToken = async (problem, isWanted = false) => {
  if (isDeclined && !isWanted) return false
  asking ??= new Promise((resolve) => {
    tokenInput.value = ""
    ask($("#token-dialog", HTMLDialogElement), {
      problem,
      submit: async () => {
        const given = tokenInput.value.trim()
        if (!/^[\x21-\x7e]+$/.test(given))
          throw new RequestError(0, "A token has visible ASCII characters and no spaces.")
        const response = await send("api/token", { method: "POST" }, given)
        if (response.status === 401) throw new RequestError(401, "The server does not accept this token.")
        if (!response.ok) throw await errorOf(response)
        token.set(given)
        isDeclined = false
        refresh()
      },
      closed: (isDone) => {
        // The token must not stay in the page.
        tokenInput.value = ""
        isDeclined = !isDone
        asking = undefined
        resolve(isDone)
      }
    })
  })
  return asking
}

tokenButton.addEventListener("click", () => {
  if (token.get() === null) askToken("", true)
  else {
    token.set(null)
    isDeclined = true
    stream.abort()
    hideMessages()
    say("The token is forgotten.")
  }
})
token.set(token.get())
