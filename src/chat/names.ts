import { $ } from "../page/elements.ts"
import { kept } from "../page/kept.ts"

const stored = kept("summoner-server.name", () => localStorage)

/** A name, and what follows it: `ada: hello`. */
const NAMED = /^(?<name>[^\s:][^:]{0,31}): /u

const field = $("#name", HTMLInputElement)

/** Remembers the name that was typed; a browser that stores nothing asks again. */
export const remember = (): void => {
  field.value = stored.get() ?? ""
  field.addEventListener("change", () => stored.set(own()))
}

/** The name that was typed, without what would end it. */
export const own = (): string => field.value.replaceAll(":", "").trim()

/** The name that a line begins with, if it does. */
export const nameIn = (line: string): string | undefined => NAMED.exec(line)?.groups?.["name"]

/** The colour of an address, from 0 to 359. Addresses of one host differ in their last digits only, so all digits count. */
export const hueOf = (address: string): number => {
  let hash = 0
  for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x9e3779b1)
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  return (hash >>> 16) % 360
}
