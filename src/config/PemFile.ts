/** Certificates and private keys (PEM) in files that keys of `server.json` name, checked on reading so that a problem names its key. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { stat } from "node:fs/promises"
import * as Schema from "effect/Schema"
import { escapeText } from "../internal/escape.ts"
import { readFile } from "../internal/files.ts"
import { formatProblem, Problem } from "./ConfigError.ts"
import { withoutCredentials } from "./redact.ts"

/** A file that a key names cannot be used. */
export class PemFileError extends Schema.TaggedError<PemFileError>()("PemFileError", {
  code: Schema.Literals([
    "missing",
    "unreadable",
    "irregular",
    "too_large",
    "not_pem",
    "no_content",
    "damaged",
    "encrypted",
    "not_a_pair",
    "untimely",
    "rejected"
  ]),
  issue: Problem
}) {
  override get message(): string {
    return formatProblem(this.issue)
  }
}

/** A file, the key that names it, and what it has to contain. */
export interface Named {
  /** `tls.cert` */
  readonly path: string
  readonly file: string
  readonly expected: string
}

export interface PemFile<A> extends Named {
  readonly text: string
  readonly content: A
}

/** At least one certificate. */
export type Certificates = ReadonlyArray<X509Certificate>

/** @param what the clause that begins with "which" */
export const wrong = (code: PemFileError["code"], { expected, file, path }: Named, what: string, hint = "") =>
  new PemFileError({ code, issue: { path, expected, found: `${withoutCredentials(file)}, ${what}`, hint } })

/** A certificate, and those between it and its authority. */
export const certificates = (path: string, file: string) =>
  read({ path, file, expected: "a certificate (PEM)" }, certificatesIn, "x509")

export const authorities = (path: string, file: string) =>
  read({ path, file, expected: "certificates of authorities (PEM)" }, certificatesIn, "x509")

export const privateKey = (path: string, file: string) =>
  read({ path, file, expected: "a private key (PEM) without a passphrase" }, privateKeyIn, "pkey")

interface Together {
  readonly cert: Effect.Effect<PemFile<Certificates> | undefined, PemFileError>
  readonly key: Effect.Effect<PemFile<KeyObject> | undefined, PemFileError>
  readonly [other: string]: Effect.Effect<PemFile<unknown> | undefined, PemFileError>
}

/**
 * Reads files that are used together, each `undefined` if its key names none.
 *
 * @returns fails with the problems of all of them, also if the key does not belong to the certificate
 */
export const readTogether = <F extends Together>(
  files: F
): Effect.Effect<{ readonly [name in keyof F]: Effect.Success<F[name]> }, ReadonlyArray<Problem>> =>
  Effect.gen(function* () {
    const read = yield* Effect.all(files as Together, { mode: "result" })
    const problems = Object.values(read).flatMap((file) => (Result.isFailure(file) ? file.failure.issue : []))
    if (problems.length > 0) return yield* Effect.fail(problems)
    const found = Result.getOrThrow(Result.all(read))
    const stranger = found.cert && found.key && notOfPair(found.key, found.cert)
    return stranger === undefined ? (found as never) : yield* Effect.fail([stranger.issue])
  })

/** Why a key and a certificate do not belong together. */
const notOfPair = (key: PemFile<KeyObject>, { content, file }: PemFile<Certificates>): PemFileError | undefined => {
  if (content[0]!.checkPrivateKey(key.content)) return undefined
  const expected = `the private key of the first certificate in ${file}`
  const isOfLater = content.some((certificate) => certificate.checkPrivateKey(key.content))
  const hint = isOfLater ? `it belongs to a later one in ${file}: put that first` : ""
  return wrong("not_a_pair", { ...key, expected }, "which belongs to another", hint)
}

/** The message of a library, on one line that is safe to print. */
export const reasonOf = (cause: unknown): string => escapeText(cause instanceof Error ? cause.message : String(cause))

const unreadable = (named: Named, { code = "unknown error" }: NodeJS.ErrnoException): PemFileError => {
  if (code === "ENOENT") return wrong("missing", named, "which does not exist (ENOENT)")
  const what = code === "EACCES" ? "which this user may not read" : "which cannot be read"
  return wrong("unreadable", named, `${what} (${code})`)
}

/** A public list of all authorities takes a quarter of it. */
const MAX_FILE_BYTES = 1_048_576

/** Time for a file to be read, in milliseconds: one on a network mount that hangs never is. A disk may have to spin up. */
const READ_MILLIS = 10_000

const readRegular = async (file: string): Promise<Buffer | "irregular" | "too_large"> => {
  const kind = await stat(file)
  // Reading a pipe may never end.
  if (!kind.isFile()) return "irregular"
  return kind.size > MAX_FILE_BYTES ? "too_large" : readFile(file)
}

/** Reads under way, by file. */
const reading = new Map<string, ReturnType<typeof readRegular>>()

/** Joins a read of the same file that is under way: each that hangs takes one of the four threads that Node.js reads files with. */
const bytesOf = (file: string): ReturnType<typeof readRegular> => {
  const bytes = reading.get(file) ?? readRegular(file).finally(() => reading.delete(file))
  reading.set(file, bytes)
  return bytes
}

/** `contentOf`: what the text says, or why it does not. `tool`: of OpenSSL, if one can make PEM of such a file. */
export const read = Effect.fnUntraced(function* <A>(
  named: Named,
  contentOf: (named: Named, text: string) => Result.Result<A, PemFileError>,
  tool?: string
): Effect.fn.Return<PemFile<A>, PemFileError> {
  const bytes = yield* Effect.tryPromise({
    try: () => bytesOf(named.file),
    catch: (cause) => unreadable(named, cause as NodeJS.ErrnoException)
  }).pipe(
    Effect.timeoutOrElse({
      duration: READ_MILLIS,
      orElse: () => wrong("unreadable", named, `which gave no answer within ${READ_MILLIS / 1000} s`)
    })
  )
  if (bytes === "irregular") return yield* wrong(bytes, named, "which is no regular file")
  if (bytes === "too_large") return yield* wrong(bytes, named, "which has more than 1 MiB")
  const text = bytes.toString("latin1")
  if (!text.includes("-----BEGIN ")) {
    // DER begins with an ASN.1 sequence.
    const hint = tool !== undefined && bytes[0] === 0x30 ? `it may be DER: openssl ${tool} -inform der` : ""
    return yield* wrong("not_pem", named, "which is not PEM", hint)
  }
  return { ...named, text, content: yield* Effect.fromResult(contentOf(named, text)) }
})

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const certificatesIn = (named: Named, text: string): Result.Result<Certificates, PemFileError> => {
  const blocks = text.match(CERTIFICATE)
  if (blocks === null) return Result.fail(wrong("no_content", named, "which has none"))
  return Result.try({
    try: () => blocks.map((block) => new X509Certificate(block)),
    catch: (cause) => wrong("damaged", named, `which is damaged (${reasonOf(cause)})`)
  })
}

const privateKeyIn = (named: Named, text: string): Result.Result<KeyObject, PemFileError> => {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return Result.fail(wrong("no_content", named, "which has none"))
  return Result.try({
    try: () => createPrivateKey(text),
    catch: (cause) => {
      const isEncrypted = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text)
      return isEncrypted
        ? wrong(
            "encrypted",
            named,
            "which is encrypted",
            `openssl pkey -in ${named.file} -out <file> removes the passphrase`
          )
        : wrong("damaged", named, `which is damaged (${reasonOf(cause)})`)
    }
  })
}
