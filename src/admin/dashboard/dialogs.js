// What the page says to whoever looks at it, and what it asks.
"use strict"

/** @param {string} text */
const say = (text, isProblem = false) => {
  const bar = $("#message")
  $("#announcements").setAttribute("aria-live", isProblem ? "assertive" : "polite")
  bar.classList.toggle("problem", isProblem)
  bar.hidden = false
  $("#message-text").textContent = text
}
$("#message-close").addEventListener("click", () => {
  $("#message").hidden = true
})

/** @param {unknown} error of a request */
const explain = (error) => {
  if (error instanceof Refused) return error.message
  const isLate = error instanceof Error && error.name === "TimeoutError"
  return isLate ? "the server does not answer" : "the server cannot be reached"
}

/**
 * Opens a dialog. It closes when what was asked for is done, says why it could not be done, and can be left at any time.
 *
 * @param {HTMLDialogElement} dialog with a form, a place for problems, and a button to leave it
 * @param {object} options
 * @param {() => unknown} options.submit does what was asked for
 * @param {(isDone: boolean) => void} [options.closed]
 * @param {string} [options.problem] that there is already
 */
const ask = (dialog, { closed = () => {}, problem = "", submit }) => {
  const opener = document.activeElement
  let isBusy = false
  let isDone = false
  let isOpen = true
  /** @param {string} text */
  const show = (text) => setText($(".problem", HTMLElement, dialog), text)
  show(problem)
  $("form", HTMLFormElement, dialog).onsubmit = async (event) => {
    event.preventDefault()
    if (isBusy) return
    isBusy = true
    show("")
    try {
      await submit()
      isDone = true
      if (isOpen) dialog.close()
    } catch (error) {
      if (isOpen) show(explain(error))
      else say(explain(error), true)
    }
    isBusy = false
  }
  $("[value=cancel]", HTMLButtonElement, dialog).onclick = () => dialog.close()
  dialog.onclose = () => {
    isOpen = false
    // The browser gives the focus back, unless what had it is gone.
    if (!opener?.isConnected) $("#clients-scroll").focus({ preventScroll: true })
    closed(isDone)
  }
  dialog.showModal()
}

/**
 * Does what needs no confirmation.
 *
 * @param {() => Promise<unknown>} action
 * @param {() => void} done
 */
const perform = async (action, done) => {
  try {
    await action()
    done()
  } catch (error) {
    say(explain(error), true)
  }
}
