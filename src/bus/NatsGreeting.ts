import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** Time for a server to greet, in milliseconds. */
const GREETING_MILLIS = 1000

/** The most of a greeting that is read, in bytes. */
const MAX_GREETING_BYTES = 64 * 1024

/**
 * Why a server has not answered, as it says itself on a connection without encryption: it greets with INFO, and refuses with -ERR. The client library
 * may report neither, but only that the time was up, or that writing failed.
 *
 * @param mayMissCertificate whether it could be that the server has asked for a client certificate in vain
 * @returns `undefined` if it says nothing of the kind
 */
export const refusalOf = (host: string, port: number, mayMissCertificate: boolean): Effect.Effect<string | undefined> =>
  Effect.acquireUseRelease(
    Effect.sync(() => Net.connect(port, host)),
    (socket) =>
      Effect.callback<string>((resume) => {
        let greeting = ""
        const done = () => resume(Effect.succeed(greeting))
        socket.setEncoding("latin1").on("data", (text: string) => {
          greeting += text
          if (greeting.includes("-ERR '") || greeting.length > MAX_GREETING_BYTES) done()
        })
        socket.on("error", done).on("close", done).setTimeout(GREETING_MILLIS, done)
      }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(
    Effect.map((greeting) => {
      const [, refusal] = /^-ERR '([^'\r\n]*)'/m.exec(greeting) ?? []
      if (refusal !== undefined) return refusal
      const asksForCertificate = /^INFO .*"tls_verify":\s*true/.test(greeting)
      return asksForCertificate && mayMissCertificate
        ? "asks for a client certificate (cluster.nats.tls.cert)"
        : undefined
    })
  )
