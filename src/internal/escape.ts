/**
 * Makes text safe to be part of one line on a terminal: control characters, line and paragraph separators and
 * characters that change the direction of writing become visible escapes, so nobody can forge, hide or colour a line.
 */
export const escapeText = (text: string): string =>
  unsafe.test(text) ? text.replace(everyUnsafe, escapeCharacter) : text

/** What `escapeText` escapes; `\p{Cc}` is C0, DEL and C1. */
const unsafe = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u
const everyUnsafe = new RegExp(unsafe, "gu")

const escapeCharacter = (character: string): string => {
  const code = character.charCodeAt(0)
  return (
    shortEscapes.get(character) ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`)
  )
}

const shortEscapes = new Map([
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"]
])

/** JSON with the characters that `escapeText` would escape as `\u` escapes, which mean the same to whoever parses it. */
export const escapeJson = (json: string): string =>
  unsafe.test(json) ? json.replace(everyUnsafe, escapeJsonCharacter) : json

const escapeJsonCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
