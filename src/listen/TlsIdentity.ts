/** What the server shows to TLS clients, and asks of them: the files of the `tls` keys, checked when they are read. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { constants, createPrivateKey, X509Certificate } from "node:crypto"
import { readFile, stat } from "node:fs/promises"
import * as Tls from "node:tls"
import { formatProblem, Problem } from "../ConfigReport.ts"
import { escapeText } from "../logging/LogFormat.ts"
import { Reloads } from "../Reloads.ts"
import { ServerConfig, type Values } from "../ServerConfig.ts"
import { SharedPort } from "./SharedPort.ts"

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
  const read = (path: FileKey, file: string) => Effect.result(readPem(path, file))
  const cert = yield* read("tls.cert", tls.cert)
  const key = yield* read("tls.key", tls.key)
  const ca = tls.request_client_cert === false || tls.ca === null ? undefined : yield* read("tls.ca", tls.ca)

  const chain = Result.flatMap(cert, (pem) => certificatesIn("tls.cert", tls.cert!, pem))
  const privateKey = Result.flatMap(key, (pem) => privateKeyIn(tls.key!, pem))
  const authorities = ca && Result.flatMap(ca, (pem) => certificatesIn("tls.ca", tls.ca!, pem))
  const issues = [
    problemOf(Result.flatMap(chain, (certificates) => checkValidity(tls.cert!, certificates, now))),
    problemOf(privateKey),
    problemOf(
      authorities && Result.flatMap(authorities, (certificates) => checkAuthorities(tls.ca!, certificates, now))
    )
  ].filter((issue) => issue !== undefined)
  if (issues.length > 0) return yield* new TlsError({ issues })

  const certificates = Result.getOrThrow(chain)
  if (!certificates[0]!.checkPrivateKey(Result.getOrThrow(privateKey))) {
    return yield* new TlsError({ issues: [strangeKey(tls.key, tls.cert, certificates, Result.getOrThrow(privateKey))] })
  }
  const options: Tls.TlsOptions = {
    cert: Result.getOrThrow(cert),
    key: Result.getOrThrow(key),
    ...(ca !== undefined && { ca: Result.getOrThrow(ca) }),
    requestCert: tls.request_client_cert !== false,
    // Who may be without one is refused only for a wrong one, which is checked after the handshake.
    rejectUnauthorized: tls.request_client_cert === true,
    minVersion: tls.min_version,
    // A client that renegotiates makes the server compute, and nobody needs it.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION
  }
  yield* Effect.try({
    try: () => Tls.createSecureContext(options),
    catch: (cause) => new TlsError({ issues: [unusable(tls.cert!, cause)] })
  })
  return {
    subject: subjectOf(certificates[0]!) ?? "?",
    notAfter: new Date(Math.min(...certificates.map(expiryMillis))),
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
      const isShared = yield* SharedPort
      const aloud = (effect: Effect.Effect<void>) => (isShared ? Effect.void : effect)
      let current = yield* load(tls)
      if (current !== undefined) {
        yield* aloud(announce(current, tls))
        const { onReload } = yield* Reloads
        const renew = load(tls).pipe(
          Effect.flatMap((renewed) => {
            current = renewed
            return renewed === undefined ? Effect.void : aloud(announce(renewed, tls))
          }),
          Effect.catchTag("TlsError", ({ issues }) =>
            aloud(
              Effect.forEach(issues, (issue) => Effect.logError(`TLS goes on as it was: ${formatProblem(issue)}`), {
                discard: true
              })
            )
          )
        )
        yield* onReload(renew)
        yield* aloud(Effect.suspend(() => warnOfExpiry(current!, tls))).pipe(
          Effect.delay(DAY_MILLIS),
          Effect.forever,
          Effect.tapCause((cause) => Effect.logError("nobody looks at the certificate's end any more", cause)),
          Effect.forkScoped
        )
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

type FileKey = "tls.cert" | "tls.key" | "tls.ca"

const EXPECTED: { readonly [key in FileKey]: string } = {
  "tls.cert": "a certificate (PEM)",
  "tls.key": "a private key (PEM) without a passphrase",
  "tls.ca": "certificates of authorities (PEM)"
}

const wrong = (path: FileKey, found: string, hint = ""): Problem => ({ path, expected: EXPECTED[path], found, hint })

const problemOf = <A>(result: Result.Result<A, Problem> | undefined): Problem | undefined =>
  result !== undefined && Result.isFailure(result) ? result.failure : undefined

const REASONS: Record<string, string> = {
  ENOENT: "which does not exist",
  EACCES: "which this user may not read"
}

/** All authorities of a public list take a quarter of it. */
const MAX_FILE_BYTES = 1_048_576

const readPem = Effect.fnUntraced(function* (path: FileKey, file: string): Effect.fn.Return<string, Problem> {
  const attempt = <A>(read: () => Promise<A>) =>
    Effect.tryPromise({
      try: read,
      catch: (cause) => {
        const { code = "unknown error" } = cause as NodeJS.ErrnoException
        return wrong(path, `${file}, ${REASONS[code] ?? "which cannot be read"} (${code})`)
      }
    })
  const kind = yield* attempt(() => stat(file))
  // Reading a pipe may never end, and it cannot be read again.
  if (!kind.isFile()) return yield* Effect.fail(wrong(path, `${file}, which is no regular file`))
  if (kind.size > MAX_FILE_BYTES) return yield* Effect.fail(wrong(path, `${file}, which has more than 1 MiB`))
  const bytes = yield* attempt(() => readFile(file))
  const text = bytes.toString("latin1")
  if (text.includes("-----BEGIN ")) return text
  // ASN.1 begins like that.
  const hint = bytes[0] === 0x30 ? `it may be DER: openssl ${path === "tls.key" ? "pkey" : "x509"} -inform der` : ""
  return yield* Effect.fail(wrong(path, `${file}, which is not PEM`, hint))
})

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const certificatesIn = (
  path: FileKey,
  file: string,
  pem: string
): Result.Result<ReadonlyArray<X509Certificate>, Problem> => {
  const blocks = pem.match(CERTIFICATE)
  if (blocks === null) return Result.fail(wrong(path, `${file}, which has none`))
  return Result.try({
    try: () => blocks.map((block) => new X509Certificate(block)),
    catch: (cause) => wrong(path, `${file}, which is damaged (${reasonOf(cause)})`)
  })
}

const privateKeyIn = (file: string, pem: string) => {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return Result.fail(wrong("tls.key", `${file}, which has none`))
  return Result.try({
    try: () => createPrivateKey(pem),
    catch: (cause) => {
      const isEncrypted = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)
      return isEncrypted
        ? wrong("tls.key", `${file}, which is encrypted`, `openssl pkey -in ${file} -out <file> removes the passphrase`)
        : wrong("tls.key", `${file}, which is damaged (${reasonOf(cause)})`)
    }
  })
}

const reasonOf = (cause: unknown): string => escapeText(cause instanceof Error ? cause.message : String(cause))

const expiryMillis = ({ validTo }: X509Certificate): number => Date.parse(validTo)

const isoDate = (date: string): string => new Date(date).toISOString()

/** What is wrong with the time of a certificate. */
const untimely = ({ validFrom, validTo }: X509Certificate, now: number): string | undefined => {
  if (now > Date.parse(validTo)) return `expired on ${isoDate(validTo)}`
  if (now < Date.parse(validFrom)) return `is not valid before ${isoDate(validFrom)}`
  return undefined
}

const checkValidity = (file: string, certificates: ReadonlyArray<X509Certificate>, now: number) => {
  for (const [i, certificate] of certificates.entries()) {
    const reason = untimely(certificate, now)
    if (reason === undefined) continue
    const which = i === 0 ? "which" : `whose certificate ${i + 1} (${subjectOf(certificate)})`
    return Result.fail({ ...wrong("tls.cert", `${file}, ${which} ${reason}`), expected: "a certificate valid now" })
  }
  return Result.succeed(certificates)
}

/** One that is valid is enough: the old one and its successor may be in the same file. */
const checkAuthorities = (file: string, certificates: ReadonlyArray<X509Certificate>, now: number) => {
  const reasons = certificates.map((certificate) => untimely(certificate, now))
  if (reasons.includes(undefined)) return Result.succeed(certificates)
  return Result.fail({ ...wrong("tls.ca", `${file}, which ${reasons[0]}`), expected: "a certificate valid now" })
}

const strangeKey = (
  keyFile: string,
  certFile: string,
  certificates: ReadonlyArray<X509Certificate>,
  privateKey: ReturnType<typeof createPrivateKey>
): Problem => ({
  path: "tls.key",
  expected: `the private key of the first certificate in ${certFile}`,
  found: `${keyFile}, which belongs to another`,
  hint: certificates.some((certificate) => certificate.checkPrivateKey(privateKey))
    ? `it belongs to a later one in ${certFile}: put that first`
    : ""
})

const unusable = (file: string, cause: unknown): Problem =>
  wrong("tls.cert", `${file}, which OpenSSL does not take (${reasonOf(cause)})`)
