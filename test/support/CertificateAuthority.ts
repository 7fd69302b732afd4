/** What makes certificates, on the spot, by the `openssl` of the machine. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Made } from "./OnDemand.setup.ts"

export const openssl = (cwd: string, ...args: ReadonlyArray<string>) =>
  execFileSync("openssl", args, { cwd, stdio: ["ignore", "pipe", "pipe"] })

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

const EXTENSIONS = {
  "server.ext": "subjectAltName=IP:127.0.0.1,DNS:localhost",
  "client.ext": "extendedKeyUsage=clientAuth"
}

/** What makes pairs in a directory. */
export const authority = (directory: string) => {
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

/** The files that every test of TLS has: their texts by their names. */
export const make = async (): Promise<Made<Readonly<Record<string, string>>>> => {
  const directory = mkdtempSync(join(tmpdir(), "summoner-certificates-"))
  try {
    for (const [name, content] of Object.entries(EXTENSIONS)) writeFileSync(join(directory, name), content)
    const { selfSigned, signed } = authority(directory)
    selfSigned("ca", "/O=Example/CN=test authority")
    signed("server", "/O=Example/CN=localhost", "server.ext")
    signed("client", "/O=Example/CN=agent-7", "client.ext")
    selfSigned("stranger", "/O=Elsewhere/CN=agent-7")
    const files = readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")] as const)
    return { value: Object.fromEntries(files), remove: () => {} }
  } finally {
    rmSync(directory, { recursive: true })
  }
}
