import type * as AdminApi from "../AdminApi.ts"
import { STATE_CLASSES } from "./clients.ts"
import { element } from "../../page/elements.ts"
import { newestFirst } from "./newestFirst.ts"
import { departure } from "./words.ts"

type Change = typeof AdminApi.Change.Type

const describe = ({ client, kind, reason, type }: Change): readonly [text: string, className: string] => {
  if (type === "state") return [`${reason} → ${client.state}`, STATE_CLASSES[client.state] ?? ""]
  if (type !== "disconnected") return [type, type === "connected" ? "good" : ""]
  if (kind === undefined) return [`disconnected: ${reason}`, ""]
  const more = kind === "lost" ? `: ${reason}` : reason.includes("and quarantined") ? ", and quarantined" : ""
  return [departure(kind) + more, ""]
}

/** The `changes` event: those of one second, and how many were left out. */
export interface Changes {
  readonly changes: ReadonlyArray<Change>
  readonly missed: number
}

const events = newestFirst("events")

export const showChanges = ({ changes, missed }: Changes): void => {
  for (const change of changes) {
    const [text, className] = describe(change)
    events.add(change.at, change.client.address, element("span", { class: className }, text))
  }
  events.miss(missed)
}
