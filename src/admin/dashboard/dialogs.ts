import { $, setText } from "../../page/elements.ts"
import { RequestError } from "./http.ts"

/** Shows a message at the top of the page. */
export const say = (text: string, isProblem = false): void => {
  const bar = $("#message")
  $("#announcements").setAttribute("aria-live", isProblem ? "assertive" : "polite")
  bar.classList.toggle("problem", isProblem)
  bar.hidden = false
  $("#message-text").textContent = text
}
$("#message-close").addEventListener("click", () => {
  $("#message").hidden = true
})

export const explain = (error: unknown): string => {
  if (error instanceof RequestError) return error.message
  const isTimeout = error instanceof Error && error.name === "TimeoutError"
  return isTimeout ? "the server does not answer" : "the server cannot be reached"
}

/**
 * Opens a dialog. It closes when `submit` succeeds, shows why it failed, and can be cancelled at any time.
 *
 * @param dialog with a form, a `.problem` element and a cancel button
 * @param options `problem` is shown when the dialog opens
 */
export const ask = (
  dialog: HTMLDialogElement,
  options: {
    readonly submit: () => Promise<void>
    readonly closed?: (isDone: boolean) => void
    readonly problem?: string
  }
): void => {
  const opener = document.activeElement
  let isBusy = false
  let isDone = false
  let isOpen = true
  const show = (text: string) => setText($(".problem", HTMLElement, dialog), text)
  show(options.problem ?? "")
  $("form", HTMLFormElement, dialog).onsubmit = async (event) => {
    event.preventDefault()
    if (isBusy) return
    isBusy = true
    show("")
    try {
      await options.submit()
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
    if (opener?.isConnected !== true) $("#clients-scroll").focus({ preventScroll: true })
    options.closed?.(isDone)
  }
  dialog.showModal()
}

/** Performs an action without a dialog. `problem`: beside the action; says why it failed. */
export const perform = async (
  action: () => Promise<unknown>,
  problem: HTMLElement,
  done: () => void
): Promise<void> => {
  setText(problem, "")
  try {
    await action()
    done()
  } catch (error) {
    setText(problem, explain(error))
  }
}
