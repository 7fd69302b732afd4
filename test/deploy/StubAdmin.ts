import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface StubRequest {
  readonly line: string
  readonly authorization: string | undefined
  readonly body: string
}

/** Answers every request with this status, in place of the admin port; it is gone when the scope closes. */
export const make = Effect.fnUntraced(function* (status: number) {
  const requests: Array<StubRequest> = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += String(chunk)))
    request.on("end", () => {
      requests.push({ line: `${request.method} ${request.url}`, authorization: request.headers.authorization, body })
      response.writeHead(status).end()
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )
  return { port: (server.address() as AddressInfo).port, requests }
})
