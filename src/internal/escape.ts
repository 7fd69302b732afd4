/**
 * Makes text safe within one line on a terminal: control characters, line and paragraph separators and bidirectional controls become
 * visible escapes, so that a text cannot forge, hide or colour lines.
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

/** Escapes the same characters in JSON as `\u` escapes, which parse to the same value. */
export const escapeJson = (json: string): string =>
  unsafe.test(json) ? json.replace(everyUnsafe, escapeJsonCharacter) : json

const escapeJsonCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Characters that a reader of a configuration does not see, or takes for a space. Emoji are made with some, so messages may have them. */
const invisible = /(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u
const everyInvisible = new RegExp(invisible, "gu")

/** The first invisible character of a text, as `U+200B`. */
export const invisibleIn = (text: string): string | undefined => {
  const [character] = invisible.exec(text) ?? []
  return character && `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`
}

/** Escapes invisible characters as JSON does, in JSON and in other text. */
export const escapeInvisible = (text: string): string =>
  invisible.test(text)
    ? text.replace(everyInvisible, (character) => character.split("").map(escapeJsonCharacter).join(""))
    : text
