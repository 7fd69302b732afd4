/** Shows values without the secrets in them. */
import { isJsonObject } from "../internal/JsonObject.ts"
import { escapeInvisible } from "../internal/escape.ts"

/** What is shown of a secret. */
export const HIDDEN = "(hidden)"

/** A text without possible secrets: PEM, everything before the `@` of a URL or of `user:password@host`, and the query of a URL. */
export const withoutCredentials = (text: string): string => {
  if (text.includes("-----BEGIN")) return HIDDEN
  const scheme = text.indexOf("://")
  if (scheme !== -1) return text.slice(0, scheme + 3) + withoutQuery(fromLastAt(text.slice(scheme + 3)))
  const [user] = text.split("@", 1)
  return user !== text && user!.includes(":") && !/\s/.test(user!) ? fromLastAt(text) : text
}

const fromLastAt = (text: string): string => {
  const at = text.lastIndexOf("@")
  return at === -1 ? text : HIDDEN + text.slice(at)
}

const withoutQuery = (text: string): string => {
  const query = text.indexOf("?")
  return query === -1 ? text : `${text.slice(0, query + 1)}${HIDDEN}`
}

/** A value as JSON without credentials and with its invisible characters escaped. */
export const show = (value: unknown): string => escapeInvisible(stringify(value))

/** A name that is not quoted, without credentials and with its invisible characters escaped. */
export const showName = (name: string): string => escapeInvisible(withoutCredentials(name))

/** A message that may quote URLs, without their credentials and with invisible characters escaped but for its line breaks. */
export const showMessage = (message: string): string =>
  message
    .replace(URLS, (url) => withoutCredentials(url))
    .split("\n")
    .map(escapeInvisible)
    .join("\n")

/** URLs, and accounts before a host, without the punctuation of the text behind them. */
const URLS = /(?:[a-z][a-z\d+.-]*:\/\/|[^\s"':]+:[^\s"'@]*@)[^\s"']*[^\s"':;,.]/gi

const MAX_FOUND_LENGTH = 60

const shorten = (text: string): string =>
  text.length <= MAX_FOUND_LENGTH ? text : `${text.slice(0, MAX_FOUND_LENGTH - 1)}…`

const stringify = (value: unknown): string => {
  if (typeof value === "number") return String(value)
  // Its names may be secrets, too.
  if (isJsonObject(value)) return Object.keys(value).length === 0 ? "{}" : "an object"
  try {
    return (
      JSON.stringify(value, (_, inner) => (typeof inner === "string" ? withoutCredentials(inner) : inner)) ??
      String(value)
    )
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** As `show`, cut to the length of a report. */
export const showShort = (value: unknown): string => shorten(show(value))
