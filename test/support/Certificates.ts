/** Certificates for tests, made on the spot by the `openssl` of the machine. */
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type * as Tls from "node:tls"
import * as Directory from "./Directory.ts"

/** Whether there is an `openssl` to make them with. */
export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

/** For the names of tests that are skipped. */
export const withOpenssl = hasOpenssl ? "" : " (skipped: this machine has no openssl)"

const openssl = (cwd: string, ...args: ReadonlyArray<string>) =>
  execFileSync("openssl", args, { cwd, stdio: ["ignore", "pipe", "pipe"] })

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

const EXTENSIONS = {
  "server.ext": "subjectAltName=IP:127.0.0.1,DNS:localhost",
  "client.ext": "extendedKeyUsage=clientAuth"
}

/** What makes pairs in a directory. */
const authority = (directory: string) => {
  const selfSigned = (name: string, subject: string, days = 90) => {
    const pair = ["-keyout", `${name}-key.pem`, "-out", `${name}.pem`]
    openssl(directory, "req", "-x509", ...NEW_KEY, ...pair, "-days", `${days}`, "-subj", subject)
  }
  const signed = (name: string, subject: string, ext: string, days = 90) => {
    const request = ["-keyout", `${name}-key.pem`, "-out", `${name}.csr`]
    openssl(directory, "req", "-new", ...NEW_KEY, ...request, "-subj", subject, "-utf8")
    const ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
    const certificate = ["-in", `${name}.csr`, "-out", `${name}.pem`]
    openssl(directory, "x509", "-req", ...certificate, ...ca, "-days", `${days}`, "-extfile", ext)
  }
  return { selfSigned, signed }
}

/** The files of the directories that `make` makes. Each process has its own ones made once: that takes longer than most tests. */
let files: Readonly<Record<string, string>> | undefined

const firstFiles = Effect.scoped(
  Effect.map(Directory.make(EXTENSIONS), (directory) => {
    const { selfSigned, signed } = authority(directory)
    selfSigned("ca", "/O=Example/CN=test authority")
    signed("server", "/O=Example/CN=localhost", "server.ext")
    signed("client", "/O=Example/CN=agent-7", "client.ext")
    selfSigned("stranger", "/O=Elsewhere/CN=agent-7")
    return Object.fromEntries(
      readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")] as const)
    )
  })
)

/**
 * A directory with pairs of a certificate and its key, `<name>.pem` and `<name>-key.pem`: `ca`, an authority, and by it `server`, for
 * 127.0.0.1, and `client`, whose subject is `CN=agent-7,O=Example`; and `stranger`, a client that has signed itself.
 */
export const make = Effect.gen(function* () {
  files ??= yield* firstFiles
  const directory = yield* Directory.make(files)
  const path = (name: string) => join(directory, name)
  const read = (name: string) => readFileSync(path(name))
  return {
    ...authority(directory),
    directory,
    path,
    read,
    write: (name: string, content: string | Uint8Array) => writeFileSync(path(name), content),
    openssl: (...args: ReadonlyArray<string>) => openssl(directory, ...args),
    /** The `tls` group of a server with the pair `server`. */
    config: { cert: path("server.pem"), key: path("server-key.pem") },
    /** The options of a client, with or without a pair of its own. */
    client: (name?: string): Tls.ConnectionOptions => ({
      ca: read("ca.pem"),
      ...(name !== undefined && { cert: read(`${name}.pem`), key: read(`${name}-key.pem`) })
    })
  }
})
