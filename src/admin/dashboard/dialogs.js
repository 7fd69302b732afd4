// Messages and dialogs.
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

/** @param {unknown} error a failed request */
const explain = (error) => {
  if (error instanceof RequestError) return error.message
  const isTimeout = error instanceof Error && error.name === "TimeoutError"
  return isTimeout ? "the server does not answer" : "the server cannot be reached"
}

/**
 * Opens a dialog. It closes when `submit` succeeds, shows why it failed, and can be cancelled at any time.
 *
 * @param {HTMLDialogElement} dialog with a form, a `.problem` element and a cancel button
 * @param {object} options
 * @param {() => unknown} options.submit performs the action
 * @param {(isDone: boolean) => void} [options.closed]
 * @param {string} [options.problem] shown when the dialog opens
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
    // The browser restores the focus, unless the element that had it is gone.
    if (!opener?.isConnected) $("#clients-scroll").focus({ preventScroll: true })
    closed(isDone)
  }
  dialog.showModal()
}

/**
 * Performs an action without a dialog.
 *
 * @param {() => Promise<unknown>} action
 * @param {HTMLElement} problem beside the action; says why it failed
 * @param {() => void} done
 */
const perform = async (action, problem, done) => {
  setText(problem, "")
  try {
    await action()
    done()
  } catch (error) {
    setText(problem, explain(error))
  }
}
