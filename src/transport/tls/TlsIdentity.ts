/** What the server shows to TLS clients, and asks of them: the files of the `tls` keys, checked when they are read. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { constants, type X509Certificate } from "node:crypto"
import * as Tls from "node:tls"
import { formatProblem, Problem } from "../../config/ConfigError.ts"
import * as PemFile from "../../config/PemFile.ts"
import { ReloadHooks } from "../../config/ReloadHooks.ts"
import { ServerConfig, type Values } from "../../config/ServerConfig.ts"
import { background } from "../../internal/background.ts"
import { escapeText } from "../../internal/escape.ts"

/** TLS cannot be used as it is configured. */
export class TlsError extends Schema.TaggedError<TlsError>()("TlsError", {
  /** One entry a file that is of no use. */
  issues: Schema.Array(Problem)
}) {
  override get message() {
    return this.issues.map(formatProblem).join("\n  ")
  }
}

/** Files that fit together, as they were when they were read. */
export interface Identity {
  /** Whose the server's certificate is. */
  readonly subject: string
  /** When it, or one that it depends on in the same file, expires. */
  readonly notAfter: Date
  /** For `tls.createServer` and what is like it. */
  readonly options: Tls.TlsOptions
  /** Whether clients need a certificate from `tls.ca`. */
  readonly requestClientCert: Values["tls"]["request_client_cert"]
}

/** Before the end of a certificate, in days, the log begins to warn. */
const WARNING_DAYS = 30

const DAY_MILLIS = 86_400_000

/** Reads and checks the files of the `tls` keys. `undefined`: TLS is off. */
export const load = Effect.fnUntraced(function* (tls: Values["tls"]): Effect.fn.Return<Identity | undefined, TlsError> {
  if (tls.cert === null || tls.key === null) return undefined
  const now = yield* Clock.currentTimeMillis
  const isAsking = tls.request_client_cert !== false && tls.ca !== null
  const cert = yield* Effect.result(Effect.tap(PemFile.certificates("tls.cert", tls.cert), checkTimes(now)))
  const key = yield* Effect.result(PemFile.privateKey("tls.key", tls.key))
  const ca = isAsking
    ? yield* Effect.result(Effect.tap(PemFile.authorities("tls.ca", tls.ca!), checkAnyTime(now)))
    : undefined
  const issues = PemFile.problemsOf(cert, key, ca)
  if (issues.length > 0) return yield* new TlsError({ issues })

  const certFile = Result.getOrThrow(cert)
  const keyFile = Result.getOrThrow(key)
  const pair = PemFile.checkPair(keyFile, certFile)
  if (Result.isFailure(pair)) return yield* new TlsError({ issues: [pair.failure] })
  const options: Tls.TlsOptions = {
    cert: certFile.text,
    key: keyFile.text,
    ...(ca !== undefined && { ca: Result.getOrThrow(ca).text }),
    requestCert: tls.request_client_cert !== false,
    // Who may be without one is refused only for a wrong one, which is checked after the handshake.
    rejectUnauthorized: tls.request_client_cert === true,
    minVersion: tls.min_version,
    // A client that renegotiates makes the server compute, and nobody needs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION
  }
  yield* Effect.try({
    try: () => Tls.createSecureContext(options),
    catch: (cause) =>
      new TlsError({
        issues: [PemFile.wrong(certFile, `which OpenSSL does not take (${PemFile.reasonOf(cause)})`)]
      })
  })
  return {
    subject: subjectOf(certFile.content[0]!) ?? "?",
    notAfter: new Date(Math.min(...certFile.content.map(expiryMillis))),
    options,
    requestClientCert: tls.request_client_cert
  }
})

/** What new connections are shown. Renewed files are taken over on a reload; if they are of no use, the old ones stay. */
export class TlsIdentity extends Context.Service<
  TlsIdentity,
  {
    /** What new connections are shown; another object after a reload. `undefined`: TLS is off. */
    readonly currentUnsafe: () => Identity | undefined
  }
>()("summoner-server/TlsIdentity") {
  /** What the `tls` keys say. Fails if their files are of no use. */
  static readonly layer = Layer.effect(
    TlsIdentity,
    Effect.gen(function* () {
      const { tls } = yield* ServerConfig
      let current = yield* load(tls)
      if (current !== undefined) {
        yield* announce(current, tls)
        const { onReload } = yield* ReloadHooks
        const renew = load(tls).pipe(
          Effect.flatMap((renewed) => {
            current = renewed
            return renewed === undefined ? Effect.void : announce(renewed, tls)
          }),
          Effect.catchTag("TlsError", ({ issues }) =>
            Effect.forEach(issues, (issue) => Effect.logError(`TLS goes on as it was: ${formatProblem(issue)}`), {
              discard: true
            })
          )
        )
        yield* onReload(renew)
        const warnDaily = Effect.suspend(() => warnOfExpiry(current!, tls)).pipe(
          Effect.delay(DAY_MILLIS),
          Effect.forever
        )
        yield* background("nobody looks at the certificate's end any more", warnDaily)
      }
      return TlsIdentity.of({ currentUnsafe: () => current })
    })
  )

  /** Without TLS, whatever the configuration says. */
  static readonly layerNone = Layer.succeed(TlsIdentity, { currentUnsafe: () => undefined })
}

const announce = Effect.fnUntraced(function* (identity: Identity, tls: Values["tls"]) {
  yield* Effect.logInfo(`TLS as ${identity.subject}, until ${identity.notAfter.toISOString()}`)
  yield* warnOfExpiry(identity, tls)
})

const warnOfExpiry = Effect.fnUntraced(function* ({ notAfter }: Identity, tls: Values["tls"]) {
  const days = Math.floor((notAfter.getTime() - (yield* Clock.currentTimeMillis)) / DAY_MILLIS)
  if (days >= WARNING_DAYS) return
  const when = days < 0 ? "has expired" : `expires in ${days === 1 ? "1 day" : `${days} days`}`
  yield* Effect.logWarning(`tls.cert: ${tls.cert} ${when}, on ${notAfter.toISOString()}: renew it and reload (SIGHUP)`)
})

/** Whose a certificate is, most specific first, on one line that is safe to show. `undefined`: it does not say. */
export const subjectOf = (certificate: X509Certificate): string | undefined => {
  // One name a line, from the country down. Some have alternative names only.
  const names = certificate.subject?.split("\n").toReversed().join(",")
  const text = escapeText(names || certificate.subjectAltName || "")
  if (text === "") return undefined
  return text.length <= MAX_SUBJECT_LENGTH ? text : `${text.slice(0, MAX_SUBJECT_LENGTH - 1)}…`
}

const MAX_SUBJECT_LENGTH = 256

const expiryMillis = ({ validTo }: X509Certificate): number => Date.parse(validTo)

const isoDate = (date: string): string => new Date(date).toISOString()

/** What is wrong with the time of a certificate. */
const untimely = ({ validFrom, validTo }: X509Certificate, now: number): string | undefined => {
  if (now > Date.parse(validTo)) return `expired on ${isoDate(validTo)}`
  if (now < Date.parse(validFrom)) return `is not valid before ${isoDate(validFrom)}`
  return undefined
}

const untimelyFile = (file: PemFile.Named, which: string) =>
  Effect.fail(PemFile.wrong({ ...file, expected: "a certificate valid now" }, which))

const checkTimes =
  (now: number) =>
  (file: PemFile.PemFile<PemFile.Certificates>): Effect.Effect<void, Problem> => {
    for (const [i, certificate] of file.content.entries()) {
      const reason = untimely(certificate, now)
      if (reason === undefined) continue
      const which = i === 0 ? "which" : `whose certificate ${i + 1} (${subjectOf(certificate)})`
      return untimelyFile(file, `${which} ${reason}`)
    }
    return Effect.void
  }

/** One that is valid is enough: the old one and its successor may be in the same file. */
const checkAnyTime =
  (now: number) =>
  (file: PemFile.PemFile<PemFile.Certificates>): Effect.Effect<void, Problem> => {
    const reasons = file.content.map((certificate) => untimely(certificate, now))
    return reasons.includes(undefined) ? Effect.void : untimelyFile(file, `which ${reasons[0]}`)
  }
