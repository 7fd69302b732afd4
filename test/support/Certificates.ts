/** Certificates for tests, made once in each run by the `openssl` of the machine. */
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Tls from "node:tls"
import * as CertificateAuthority from "./CertificateAuthority.ts"
import * as Directory from "./Directory.ts"
import * as OnDemand from "./OnDemand.ts"
import { isInstalled } from "./Tools.ts"

/** Whether there is an `openssl` to make them with. */
export const hasOpenssl = isInstalled("openssl")

/** For the names of tests that are skipped. */
export const withOpenssl = hasOpenssl ? "" : " (skipped: this machine has no openssl)"

/** The files of the directories that `make` makes: making them takes longer than most tests. */
const files = Effect.runSync(
  Effect.cached(
    Effect.promise(async () =>
      OnDemand.isThere ? OnDemand.ask("certificates") : (await CertificateAuthority.make()).value
    )
  )
)

/**
 * A directory with pairs of a certificate and its key, `<name>.pem` and `<name>-key.pem`: `ca`, an authority, and by it `server`, for
 * 127.0.0.1, and `client`, whose subject is `CN=agent-7,O=Example`; and `stranger`, a client that has signed itself.
 */
export const make = Effect.gen(function* () {
  const directory = yield* Directory.make(yield* files)
  const path = (name: string) => join(directory, name)
  const read = (name: string) => readFileSync(path(name))
  return {
    ...CertificateAuthority.authority(directory),
    directory,
    path,
    read,
    write: (name: string, content: string | Uint8Array) => writeFileSync(path(name), content),
    openssl: (...args: ReadonlyArray<string>) => CertificateAuthority.openssl(directory, ...args),
    /** The `tls` group of a server with the pair `server`. */
    config: { cert: path("server.pem"), key: path("server-key.pem") },
    /** The options of a client, with or without a pair of its own. */
    client: (name?: string): Tls.ConnectionOptions => ({
      ca: read("ca.pem"),
      ...(name !== undefined && { cert: read(`${name}.pem`), key: read(`${name}-key.pem`) })
    })
  }
})
