/** Certificates for tests, made on the spot by the `openssl` of the machine. */
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
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

/**
 * A directory with pairs of a certificate and its key, `<name>.pem` and `<name>-key.pem`: `ca`, an authority, and by it `server`, for
 * 127.0.0.1, and `client`, whose subject is `CN=agent-7,O=Example`; and `stranger`, a client that has signed itself.
 */
export const make = Effect.gen(function* () {
  const directory = yield* Directory.make({
    "server.ext": "subjectAltName=IP:127.0.0.1,DNS:localhost",
    "client.ext": "extendedKeyUsage=clientAuth"
  })
  const path = (name: string) => join(directory, name)
  const selfSigned = (name: string, subject: string, days = 90) =>
    openssl(
      directory,
      "req",
      "-x509",
      ...NEW_KEY,
      "-keyout",
      `${name}-key.pem`,
      "-out",
      `${name}.pem`,
      "-days",
      `${days}`,
      "-subj",
      subject
    )
  const signed = (name: string, subject: string, ext: string, days = 90) => {
    openssl(
      directory,
      "req",
      "-new",
      ...NEW_KEY,
      "-keyout",
      `${name}-key.pem`,
      "-out",
      `${name}.csr`,
      "-subj",
      subject,
      "-utf8"
    )
    const ca = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial"]
    openssl(
      directory,
      "x509",
      "-req",
      "-in",
      `${name}.csr`,
      ...ca,
      "-out",
      `${name}.pem`,
      "-days",
      `${days}`,
      "-extfile",
      ext
    )
  }
  selfSigned("ca", "/O=Example/CN=test authority")
  signed("server", "/O=Example/CN=localhost", "server.ext")
  signed("client", "/O=Example/CN=agent-7", "client.ext")
  selfSigned("stranger", "/O=Elsewhere/CN=agent-7")

  const read = (name: string) => readFileSync(path(name))
  return {
    directory,
    path,
    read,
    write: (name: string, content: string | Uint8Array) => writeFileSync(path(name), content),
    openssl: (...args: ReadonlyArray<string>) => openssl(directory, ...args),
    selfSigned,
    signed,
    /** The `tls` group of a server with the pair `server`. */
    config: { cert: path("server.pem"), key: path("server-key.pem") },
    /** The options of a client, with or without a pair of its own. */
    client: (name?: string): Tls.ConnectionOptions => ({
      ca: read("ca.pem"),
      ...(name !== undefined && { cert: read(`${name}.pem`), key: read(`${name}-key.pem`) })
    })
  }
})
