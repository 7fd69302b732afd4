/** Certificates and private keys (PEM) in files that keys of `server.json` name, checked on reading so that a problem names its key. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { readFile, stat } from "node:fs/promises"
import { escapeText } from "../internal/escape.ts"
import type { Problem } from "./ConfigError.ts"

/** A file, the key that names it, and what it has to contain. */
export interface Named {
  /** `tls.cert` */
  readonly path: string
  readonly file: string
  readonly expected: string
}

/** A file that was read. */
export interface PemFile<A> extends Named {
  readonly text: string
  readonly content: A
}

/** At least one certificate. */
export type Certificates = ReadonlyArray<X509Certificate>

/** @param what the clause that begins with "which" */
export const wrong = ({ expected, file, path }: Named, what: string, hint = ""): Problem => ({
  path,
  expected,
  found: `${file}, ${what}`,
  hint
})

/** The problems of several files; `undefined` for a key that names none. */
export const problemsOf = (
  ...files: ReadonlyArray<Result.Result<unknown, Problem> | undefined>
): ReadonlyArray<Problem> => files.flatMap((file) => (file !== undefined && Result.isFailure(file) ? file.failure : []))

/** A certificate, and those between it and its authority. */
export const certificates = (path: string, file: string) =>
  read({ path, file, expected: "a certificate (PEM)" }, certificatesIn, "x509")

export const authorities = (path: string, file: string) =>
  read({ path, file, expected: "certificates of authorities (PEM)" }, certificatesIn, "x509")

export const privateKey = (path: string, file: string) =>
  read({ path, file, expected: "a private key (PEM) without a passphrase" }, privateKeyIn, "pkey")

/** Fails if they do not belong together. */
export const checkPair = (
  key: PemFile<KeyObject>,
  { content, file }: PemFile<Certificates>
): Result.Result<void, Problem> =>
  content[0]!.checkPrivateKey(key.content)
    ? Result.void
    : Result.fail({
        path: key.path,
        expected: `the private key of the first certificate in ${file}`,
        found: `${key.file}, which belongs to another`,
        hint: content.some((certificate) => certificate.checkPrivateKey(key.content))
          ? `it belongs to a later one in ${file}: put that first`
          : ""
      })

/** The message of a library, on one line that is safe to print. */
export const reasonOf = (cause: unknown): string => escapeText(cause instanceof Error ? cause.message : String(cause))

const REASONS: Record<string, string> = {
  ENOENT: "which does not exist",
  EACCES: "which this user may not read"
}

/** A public list of all authorities takes a quarter of it. */
const MAX_FILE_BYTES = 1_048_576

/**
 * @param contentOf what the text says, or why it does not
 * @param tool of OpenSSL, if one can make PEM of such a file
 */
export const read = Effect.fnUntraced(function* <A>(
  named: Named,
  contentOf: (named: Named, text: string) => Result.Result<A, Problem>,
  tool?: string
): Effect.fn.Return<PemFile<A>, Problem> {
  const { file } = named
  const attempt = <B>(read: () => Promise<B>) =>
    Effect.tryPromise({
      try: read,
      catch: (cause) => {
        const { code = "unknown error" } = cause as NodeJS.ErrnoException
        return wrong(named, `${REASONS[code] ?? "which cannot be read"} (${code})`)
      }
    })
  const kind = yield* attempt(() => stat(file))
  // Reading a pipe may never end.
  if (!kind.isFile()) return yield* Effect.fail(wrong(named, "which is no regular file"))
  if (kind.size > MAX_FILE_BYTES) return yield* Effect.fail(wrong(named, "which has more than 1 MiB"))
  const bytes = yield* attempt(() => readFile(file))
  const text = bytes.toString("latin1")
  if (!text.includes("-----BEGIN ")) {
    // DER begins with an ASN.1 sequence.
    const hint = tool !== undefined && bytes[0] === 0x30 ? `it may be DER: openssl ${tool} -inform der` : ""
    return yield* Effect.fail(wrong(named, "which is not PEM", hint))
  }
  return { ...named, text, content: yield* Effect.fromResult(contentOf(named, text)) }
})

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const certificatesIn = (named: Named, text: string): Result.Result<Certificates, Problem> => {
  const blocks = text.match(CERTIFICATE)
  if (blocks === null) return Result.fail(wrong(named, "which has none"))
  return Result.try({
    try: () => blocks.map((block) => new X509Certificate(block)),
    catch: (cause) => wrong(named, `which is damaged (${reasonOf(cause)})`)
  })
}

const privateKeyIn = (named: Named, text: string): Result.Result<KeyObject, Problem> => {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return Result.fail(wrong(named, "which has none"))
  return Result.try({
    try: () => createPrivateKey(text),
    catch: (cause) => {
      const isEncrypted = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text)
      return isEncrypted
        ? wrong(named, "which is encrypted", `openssl pkey -in ${named.file} -out <file> removes the passphrase`)
        : wrong(named, `which is damaged (${reasonOf(cause)})`)
    }
  })
}
