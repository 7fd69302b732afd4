// The token that actions need, and reading from elsewhere.
"use strict"

const tokenButton = $("#token")
const tokenInput = $("#token-input", HTMLInputElement)

/** The session of this tab only: never the URL, never the disk for long. */
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
 * One question at a time, however many requests were refused.
 *
 * @type {Promise<boolean> | undefined}
 */
let asking

/** Somebody who does not want to give a token is not asked again by what this page does on its own. */
let isDeclined = false

/**
 * @param {string} problem with the one that there was
 * @param {boolean} [isWanted] somebody does something that needs it
 * @returns whether there is another one now
 */
const askToken = async (problem, isWanted = false) => {
  if (isDeclined && !isWanted) return false
  asking ??= new Promise((resolve) => {
    tokenInput.value = ""
    ask($("#token-dialog", HTMLDialogElement), {
      problem,
      submit: () => {
        const given = tokenInput.value.trim()
        if (!/^[\x21-\x7e]+$/.test(given)) throw new Refused(0, "A token has visible ASCII characters and no spaces.")
        token.set(given)
        isDeclined = false
        refresh()
      },
      closed: (isDone) => {
        // It must not stay in the page.
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
    say("The token is forgotten.")
  }
})
token.set(token.get())
