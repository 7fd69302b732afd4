import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { load } from "../../src/bus/NatsFiles.ts"
import { defaults } from "../../src/config/ServerConfig.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Directory from "../support/Directory.ts"
import * as NatsCredentials from "./NatsCredentials.ts"

const { nats } = defaults.cluster

describe("the files of cluster.nats", () => {
  it.effect("are not looked for where none are named", () =>
    Effect.gen(function* () {
      assert.isUndefined((yield* load(nats)).credentials)
    })
  )

  it.effect("may have credentials, with a token and the seed of a key", () =>
    Effect.gen(function* () {
      const { credentials } = NatsCredentials.make()
      const directory = yield* Directory.make({
        "good.creds": credentials,
        "token.creds": credentials.slice(0, credentials.indexOf("-----BEGIN USER")),
        "bad.creds": "nonsense"
      })
      const loaded = (name: string) => load({ ...nats, credentials: join(directory, name) })
      assert.strictEqual((yield* loaded("good.creds")).credentials, credentials)
      const said = (name: string) =>
        Effect.map(Effect.flip(loaded(name)), ({ message }) => message.replace(`${directory}/`, ""))
      const expected = "cluster.nats.credentials: expected credentials of a NATS user (.creds), found"
      assert.strictEqual(
        yield* said("token.creds"),
        `${expected} token.creds, which lacks the token, or the seed of the key`
      )
      assert.strictEqual(yield* said("bad.creds"), `${expected} bad.creds, which is not PEM`)
    })
  )

  it.effect.skipIf(!Certificates.hasOpenssl)(
    `may have certificates, and a key that belongs to its own${Certificates.withOpenssl}`,
    () =>
      Effect.gen(function* () {
        const { path } = yield* Certificates.make
        const tls = { ca: path("ca.pem"), cert: path("client.pem"), key: path("client-key.pem") }
        const { fingerprint } = yield* load({ ...nats, tls })
        assert.strictEqual((yield* load({ ...nats, tls })).fingerprint, fingerprint)
        assert.notStrictEqual((yield* load({ ...nats, tls: { ...tls, ca: tls.cert } })).fingerprint, fingerprint)
        const strange = yield* Effect.flip(load({ ...nats, tls: { ...tls, key: path("server-key.pem") } }))
        assert.deepStrictEqual(
          strange.issues.map(({ path }) => path),
          ["cluster.nats.tls.key"]
        )
        const all = yield* Effect.flip(
          load({ ...nats, credentials: "none", tls: { ca: "none", cert: "none", key: "none" } })
        )
        assert.deepStrictEqual(
          all.issues.map(({ path }) => path),
          ["credentials", "tls.ca", "tls.cert", "tls.key"].map((key) => `cluster.nats.${key}`)
        )
      })
  )
})
