// Requests to the admin API.
"use strict"

/**
 * @typedef {typeof import("../AdminApi.ts").Stats.Type} Stats
 * @typedef {typeof import("../AdminApi.ts").Client.Type} Client
 * @typedef {typeof import("../AdminApi.ts").Clients.Type} Clients
 * @typedef {typeof import("../AdminApi.ts").Quarantined.Type} Quarantined
 * @typedef {typeof import("../AdminApi.ts").Change.Type} Change
 * @typedef {typeof import("../AdminApi.ts").Message.Type} Message
 */

/** The server answered with an error. */
class RequestError extends Error {
  /**
   * @param {number} status of HTTP; 0: the request was not sent
   * @param {string} message
   */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/** Time for the headers of a response to arrive, in milliseconds. */
const TIMEOUT_MILLIS = 30_000

/**
 * @typedef {object} RequestOptions
 * @property {string} [method]
 * @property {unknown} [body] sent as JSON
 * @property {AbortSignal} [signal]
 * @property {boolean | undefined} [isAction] the user asked for it, so that a missing token is always asked for
 */

/**
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Response>} a successful response
 */
const request = async (path, options = {}) => {
  while (true) {
    const used = token.get()
    const response = await send(path, options, used)
    if (response.ok) return response
    const error = await errorOf(response)
    if (error.status !== 401) throw error
    // Another request has asked for a token meanwhile.
    if (used !== token.get()) continue
    if (used !== null) token.set(null)
    const problem = used === null ? "" : "The server does not accept this token."
    if (!(await askToken(problem, options.isAction))) throw error
  }
}

/**
 * @param {string} path
 * @param {RequestOptions} options
 * @param {string | null} used the token
 */
const send = async (path, { body, method = "GET", signal }, used) => {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new DOMException("timeout", "TimeoutError")), TIMEOUT_MILLIS)
  const headers = new Headers()
  if (used !== null) headers.set("authorization", `Bearer ${used}`)
  if (body !== undefined) headers.set("content-type", "application/json")
  const signals = signal === undefined ? [timeout.signal] : [timeout.signal, signal]
  try {
    return await fetch(path, { method, headers, body: JSON.stringify(body), signal: AbortSignal.any(signals) })
  } finally {
    clearTimeout(timer)
  }
}

/** @param {Response} response */
const errorOf = async (response) => {
  /** @type {{ readonly error?: unknown }} */
  const { error } = await response.json().catch(() => ({}))
  return new RequestError(response.status, typeof error === "string" ? error : `HTTP ${response.status}`)
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
