import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { formatProblem, Problem } from "../config/ConfigError.ts"
import * as PemFile from "../config/PemFile.ts"
import type { Values } from "../config/CurrentConfig.ts"

/** The files of the `cluster.nats` keys cannot be used. */
export class NatsFilesError extends Schema.TaggedError<NatsFilesError>()("NatsFilesError", {
  /** One entry per unusable file. */
  issues: Schema.Array(Problem)
}) {
  override get message() {
    return this.issues.map(formatProblem).join("\n  ")
  }
}

/** Content of the files of a connection. */
export interface Files {
  readonly credentials: string | undefined
  /** PEM. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string }
  /** Differs if any of the files does. A secret, as they are. */
  readonly fingerprint: string
}

/**
 * Reads the files that a connection to NATS needs. Whether certificates are valid now is for NATS to say.
 *
 * @returns fails with `NatsFilesError`
 */
export const load = Effect.fnUntraced(function* ({
  credentials,
  tls
}: Values["cluster"]["nats"]): Effect.fn.Return<Files, NatsFilesError> {
  const ifNamed = <A>(file: string | null, read: (file: string) => A) => (file === null ? Effect.undefined : read(file))
  const { user, ...pem } = yield* PemFile.readTogether({
    user: ifNamed(credentials, credentialsIn),
    ca: ifNamed(tls.ca, (file) => PemFile.authorities("cluster.nats.tls.ca", file)),
    cert: ifNamed(tls.cert, (file) => PemFile.certificates("cluster.nats.tls.cert", file)),
    key: ifNamed(tls.key, (file) => PemFile.privateKey("cluster.nats.tls.key", file))
  }).pipe(Effect.mapError((issues) => new NatsFilesError({ issues })))
  const texts = Object.entries(pem).flatMap(([name, file]) => (file === undefined ? [] : [[name, file.text]]))
  const files = { credentials: user?.text, tls: Object.fromEntries(texts) as Files["tls"] }
  return { ...files, fingerprint: JSON.stringify(files) }
})

const credentialsIn = (file: string) =>
  PemFile.read(
    { path: "cluster.nats.credentials", file, expected: "credentials of a NATS user (.creds)" },
    (named, text) =>
      /-----BEGIN NATS USER JWT-----[^]+-----BEGIN USER NKEY SEED-----/.test(text)
        ? Result.succeed(text)
        : Result.fail(PemFile.wrong("no_content", named, "which lacks the token, or the seed of the key"))
  )
