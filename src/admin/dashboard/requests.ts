import { errorOf, type RequestOptions, send } from "./http.ts"
import { askToken, token } from "./token.ts"

/** A successful response of the admin API. Asks for a token where the server wants one. */
export const request = async (path: string, options: RequestOptions = {}): Promise<Response> => {
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

export const get = async <A>(path: string, signal: AbortSignal): Promise<A> => (await request(path, { signal })).json()

export const act = (path: string, body?: unknown): Promise<Response> =>
  request(path, { method: "POST", body, isAction: true })
