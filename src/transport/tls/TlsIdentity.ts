/** The server's certificate and its demands on client certificates, read from the files of the `tls` keys. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { constants, type X509Certificate } from "node:crypto"
import type * as Tls from "node:tls"
import { formatProblem, Problem } from "../../config/ConfigError.ts"
import * as PemFile from "../../config/PemFile.ts"
import { ReloadHooks } from "../../config/ReloadHooks.ts"
import { ServerConfig, type Values } from "../../config/CurrentConfig.ts"
import { background } from "../../internal/background.ts"
import { escapeText } from "../../internal/escape.ts"

/** The files of the `tls` keys cannot be used. */
export class TlsError extends Schema.TaggedError<TlsError>()("TlsError", {
  /** One entry per unusable file. */
  issues: Schema.Array(Problem)
}) {
  override get message() {
    return this.issues.map(formatProblem).join("\n  ")
  }
}

/** A consistent set of files, as of when they were read. */
export interface Identity {
  /** Subject of the server's certificate. */
  readonly subject: string
  /** The earliest expiry of a certificate in the file. */
  readonly notAfter: Date
  /** Options for `tls.createServer`. */
  readonly options: Tls.TlsOptions
  /** Whether clients need a certificate from `tls.ca`. */
  readonly requestClientCert: Values["tls"]["request_client_cert"]
}

/** Days before the expiry of a certificate from which the log warns. */
const WARNING_DAYS = 30

const DAY_MILLIS = 86_400_000

/** Reads and checks the files of the `tls` keys. `undefined` if TLS is off; fails with `TlsError`. */
export const load = Effect.fnUntraced(function* (tls: Values["tls"]): Effect.fn.Return<Identity | undefined, TlsError> {
  if (tls.cert === null || tls.key === null) return undefined
  const now = yield* Clock.currentTimeMillis
  const isAsking = tls.request_client_cert !== false && tls.ca !== null
  const { ca, cert, key } = yield* PemFile.readTogether({
    cert: Effect.tap(PemFile.certificates("tls.cert", tls.cert), checkTimes(now)),
    key: PemFile.privateKey("tls.key", tls.key),
    ca: isAsking ? Effect.tap(PemFile.authorities("tls.ca", tls.ca!), checkAnyTime(now)) : Effect.undefined
  }).pipe(Effect.mapError((issues) => new TlsError({ issues })))
  const options: Tls.TlsOptions = {
    cert: cert.text,
    key: key.text,
    ...(ca !== undefined && { ca: ca.text }),
    requestCert: tls.request_client_cert !== false,
    // With an optional certificate, a wrong one is refused after the handshake.
    rejectUnauthorized: tls.request_client_cert === true,
    minVersion: tls.min_version,
    // Renegotiation is unused, and costs the server CPU time on demand of the client.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION
  }
  yield* Effect.try({
    try: () => process.getBuiltinModule("node:tls").createSecureContext(options),
    catch: (cause) =>
      new TlsError({
        issues: [PemFile.wrong("rejected", cert, `which OpenSSL does not take (${PemFile.reasonOf(cause)})`).issue]
      })
  })
  return {
    subject: subjectOf(cert.content[0]!) ?? "?",
    notAfter: new Date(Math.min(...cert.content.map(expiryMillis))),
    options,
    requestClientCert: tls.request_client_cert
  }
})

/** The identity for new connections. A reload reads renewed files, and keeps the old ones if these are unusable. */
export class TlsIdentity extends Context.Service<
  TlsIdentity,
  {
    /** The identity for new connections: another object after a reload, `undefined` if TLS is off. */
    readonly currentUnsafe: () => Identity | undefined
  }
>()("summoner-server/TlsIdentity") {
  /** The identity that the `tls` keys configure. Fails with `TlsError`. */
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
            Effect.forEach(issues, (issue) =>
              Effect.logError(`the TLS certificate was not renewed: ${formatProblem(issue)}`)
            )
          )
        )
        yield* onReload(renew)
        const warnDaily = Effect.suspend(() => warnOfExpiry(current!, tls)).pipe(
          Effect.delay(DAY_MILLIS),
          Effect.forever
        )
        yield* background("the expiry of the TLS certificate is no longer checked", warnDaily)
      }
      return TlsIdentity.of({ currentUnsafe: () => current })
    })
  )
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

/** The subject of a certificate on one line that is safe to show, most specific name first; `undefined` if it has none. */
export const subjectOf = (certificate: X509Certificate): string | undefined => {
  // Node gives one name per line, country first. Some certificates have only alternative names.
  const names = certificate.subject?.split("\n").toReversed().join(",")
  const text = escapeText(names || certificate.subjectAltName || "")
  if (text === "") return undefined
  return text.length <= MAX_SUBJECT_LENGTH ? text : `${text.slice(0, MAX_SUBJECT_LENGTH - 1)}…`
}

const MAX_SUBJECT_LENGTH = 256

const expiryMillis = ({ validTo }: X509Certificate): number => Date.parse(validTo)

const isoDate = (date: string): string => new Date(date).toISOString()

/** Why a certificate is not valid now; `undefined` if it is. */
const untimely = ({ validFrom, validTo }: X509Certificate, now: number): string | undefined => {
  if (now > Date.parse(validTo)) return `expired on ${isoDate(validTo)}`
  if (now < Date.parse(validFrom)) return `is not valid before ${isoDate(validFrom)}`
  return undefined
}

const untimelyFile = (file: PemFile.Named, which: string) =>
  Effect.fail(PemFile.wrong("untimely", { ...file, expected: "a certificate valid now" }, which))

const checkTimes =
  (now: number) =>
  (file: PemFile.PemFile<PemFile.Certificates>): Effect.Effect<void, PemFile.PemFileError> => {
    for (const [i, certificate] of file.content.entries()) {
      const reason = untimely(certificate, now)
      if (reason === undefined) continue
      const which = i === 0 ? "which" : `whose certificate ${i + 1} (${subjectOf(certificate)})`
      return untimelyFile(file, `${which} ${reason}`)
    }
    return Effect.void
  }

/** One valid certificate is enough: a file may contain the old one and its successor. */
const checkAnyTime =
  (now: number) =>
  (file: PemFile.PemFile<PemFile.Certificates>): Effect.Effect<void, PemFile.PemFileError> => {
    const reasons = file.content.map((certificate) => untimely(certificate, now))
    return reasons.includes(undefined) ? Effect.void : untimelyFile(file, `which ${reasons[0]}`)
  }
