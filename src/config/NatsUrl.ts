/** `nats://user:password@host:port`: where a server of NATS is, and who may use it. */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

export const EXPECTED = 'a URL such as "nats://host:4222" or "tls://user:password@host"'

export interface NatsUrl {
  /** `host:port`, as the client library wants it. */
  readonly server: string
  readonly isTls: boolean
  readonly user: Redacted.Redacted | undefined
  /** A user without a password is a token. */
  readonly password: Redacted.Redacted | undefined
}

const DEFAULT_PORT = "4222"

const urlOf = (text: string): URL | undefined => {
  const url = text.includes("://") ? text : `nats://${text}`
  return URL.canParse(url) ? new URL(url) : undefined
}

/** Whether a text names a server. */
export const isValid = (text: string): boolean => {
  const url = urlOf(text)
  return (
    url !== undefined &&
    isDecodable(url.username + url.password) &&
    (url.protocol === "nats:" || url.protocol === "tls:") &&
    url.hostname !== "" &&
    url.search === "" &&
    url.hash === "" &&
    (url.pathname === "" || url.pathname === "/")
  )
}

const isDecodable = (text: string): boolean => Result.isSuccess(Result.try(() => decodeURIComponent(text)))

/** The user and password in a valid text. */
export const accountOf = (text: string): string | undefined => /([^/]*)@/.exec(text)?.[1]

const secretIn = (text: string) => (text === "" ? undefined : Redacted.make(decodeURIComponent(text)))

/** @param text a valid one */
export const parse = (text: string): NatsUrl => {
  const { hostname, password, port, protocol, username } = urlOf(text)!
  return {
    server: `${hostname}:${port === "" ? DEFAULT_PORT : port}`,
    isTls: protocol === "tls:",
    user: secretIn(username),
    password: secretIn(password)
  }
}

/** The URLs of `cluster.nats.servers`: a list, or a text with commas between them. */
export const listOf = (servers: string | ReadonlyArray<string> | null): ReadonlyArray<string> =>
  servers === null ? [] : typeof servers === "string" ? servers.split(",").map((url) => url.trim()) : servers
