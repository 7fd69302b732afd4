export class RequestError extends Error {
  /** Of HTTP; 0: the request was not sent. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Time for the headers of a response to arrive, in milliseconds. */
const TIMEOUT_MILLIS = 30_000

export interface RequestOptions {
  readonly method?: "POST"
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** The user asked for it, so that a missing token is always asked for. */
  readonly isAction?: boolean
}

/** Sends a request with a token, and waits for the headers of the response. */
export const send = async (
  path: string,
  { body, method, signal }: RequestOptions,
  token: string | null
): Promise<Response> => {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new DOMException("timeout", "TimeoutError")), TIMEOUT_MILLIS)
  const headers = new Headers()
  if (token !== null) headers.set("authorization", `Bearer ${token}`)
  if (body !== undefined) headers.set("content-type", "application/json")
  try {
    return await fetch(path, {
      method: method ?? "GET",
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any(signal === undefined ? [timeout.signal] : [timeout.signal, signal])
    })
  } finally {
    clearTimeout(timer)
  }
}

/** The error of a response that is none of success. */
export const errorOf = async (response: Response): Promise<RequestError> => {
  const { error }: { readonly error?: unknown } = await response.json().catch(() => ({}))
  return new RequestError(response.status, typeof error === "string" ? error : `HTTP ${response.status}`)
}
