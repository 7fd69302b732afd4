// What the server is asked for, and how it says no.
"use strict"

/**
 * What it answers with.
 *
 * @typedef {typeof import("../AdminApi.ts").Stats.Type} Stats
 * @typedef {typeof import("../AdminApi.ts").Client.Type} Client
 * @typedef {typeof import("../AdminApi.ts").Clients.Type} Clients
 * @typedef {typeof import("../AdminApi.ts").Quarantined.Type} Quarantined
 * @typedef {typeof import("../AdminApi.ts").Change.Type} Change
 */

/** The server has answered, but not with what was asked for. */
class Refused extends Error {
  /**
   * @param {number} status of HTTP; 0: it was not even asked
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** How long the beginning of an answer may take, in milliseconds. */
const PATIENCE_MILLIS = 30_000

/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {unknown} [body] sent as JSON
 * @property {AbortSignal} [signal]
 * @property {boolean} [isAction] somebody waits for it, so that a missing token is always asked for
 */

/**
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Response>} one with what was asked for
 */
const request = async (path, options = {}) => {
  while (true) {
    const used = token.get()
    const response = await send(path, options, used)
    if (response.ok) return response
    const refused = await refusal(response)
    if (refused.status !== 401) throw refused
    // Meanwhile another request may have got hold of a better one.
    if (used !== token.get()) continue
    if (used !== null) token.set(null)
    const problem = used === null ? "" : "The server does not accept this token."
    if (!(await askToken(problem, options.isAction))) throw refused
  }
}

/**
 * @param {string} path
 * @param {RequestOptions} options
 * @param {string | null} used the token
 */
const send = async (path, { body, method = "GET", signal }, used) => {
  const impatience = new AbortController()
  const timer = setTimeout(() => impatience.abort(new DOMException("too late", "TimeoutError")), PATIENCE_MILLIS)
  const headers = new Headers()
  if (used !== null) headers.set("authorization", `Bearer ${used}`)
  if (body !== undefined) headers.set("content-type", "application/json")
  const signals = signal === undefined ? [impatience.signal] : [impatience.signal, signal]
  try {
    return await fetch(path, { method, headers, body: JSON.stringify(body), signal: AbortSignal.any(signals) })
  } finally {
    clearTimeout(timer)
  }
}

/** @param {Response} response */
const refusal = async (response) => {
  /** @type {{ readonly error?: unknown }} */
  const { error } = await response.json().catch(() => ({}))
  return new Refused(response.status, typeof error === "string" ? error : `HTTP ${response.status}`)
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {Promise<unknown>}
 */
const get = async (path, signal) => (await request(path, { signal })).json()

/**
 * @param {string} path
 * @param {unknown} [body]
 */
const act = (path, body) => request(path, { method: "POST", body, isAction: true })
