import { whole } from "../formats.ts"
import { $, element, setText } from "../../page/elements.ts"

/** Entries on the page at once. */
const SHOWN = 200

/** A list of what happened, newest first. `id`: of the list; `<id>-missed` and `<id>-empty` are beside it. */
export const newestFirst = (id: string) => {
  const list = $(`#${id}`)
  let missed = 0
  const showMissed = () => setText($(`#${id}-missed`), missed === 0 ? "" : `${whole(missed)} not shown`)
  const showEmpty = () => {
    $(`#${id}-empty`).hidden = list.children.length > 0
  }
  return {
    /** Adds an entry: who it is about, and what happened. */
    add: (at: string, who: string, ...what: ReadonlyArray<Node>) => {
      const time = element("time", { class: "soft", datetime: at }, new Date(at).toLocaleTimeString("en-GB"))
      list.prepend(element("li", {}, time, element("span", {}, element("span", { class: "mono" }, who), " ", ...what)))
      if (list.children.length > SHOWN) list.lastElementChild?.remove()
      showEmpty()
    },
    /** Counts entries that the server left out. */
    miss: (count: number) => {
      missed += count
      showMissed()
    },
    clear: () => {
      list.replaceChildren()
      missed = 0
      showMissed()
      showEmpty()
    }
  }
}
