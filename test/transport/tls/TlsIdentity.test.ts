import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { load, TlsIdentity } from "../../../src/transport/tls/TlsIdentity.ts"
import { RelayLogger } from "../../../src/logging/RelayLogger.ts"
import { ServerConfig } from "../../../src/config/ServerConfig.ts"
import * as Certificates from "../../support/Certificates.ts"

const DAY_MILLIS = 86_400_000

type Tls = Parameters<typeof load>[0]

const config = (tls: Partial<Tls>): Tls => ({
  cert: null,
  key: null,
  ca: null,
  request_client_cert: false,
  min_version: "TLSv1.2",
  ...tls
})

describe.skipIf(!Certificates.hasOpenssl)(`loading the tls files${Certificates.withOpenssl}`, () => {
  const prepare = Effect.gen(function* () {
    const certificates = yield* Certificates.make
    yield* TestClock.setTime(Date.now() + DAY_MILLIS)
    /** What is said about them, without the name of their directory. */
    const problems = (tls: Partial<Tls>) =>
      load(config({ ...certificates.config, ...tls })).pipe(
        Effect.flip,
        Effect.map(({ message }) => message.replaceAll(`${certificates.directory}/`, ""))
      )
    return { certificates, problems }
  })

  it.effect("looks for none when TLS is off", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* load(config({})))
    })
  )

  it.effect("tells whose the server is, and until when", () =>
    Effect.gen(function* () {
      const { certificates } = yield* prepare
      const identity = (yield* load(config(certificates.config)))!
      assert.strictEqual(identity.subject, "CN=localhost,O=Example")
      assert.approximately(identity.notAfter.getTime(), Date.now() + 90 * DAY_MILLIS, DAY_MILLIS / 2)
      // With the whole chain, what ends first counts.
      certificates.selfSigned("ca", "/CN=short-lived", 5)
      certificates.write("chain.pem", Buffer.concat([certificates.read("server.pem"), certificates.read("ca.pem")]))
      const chain = (yield* load(config({ ...certificates.config, cert: certificates.path("chain.pem") })))!
      assert.approximately(chain.notAfter.getTime(), Date.now() + 5 * DAY_MILLIS, DAY_MILLIS / 2)
    })
  )

  it.effect("takes keys of every usual kind", () =>
    Effect.gen(function* () {
      const { certificates } = yield* prepare
      const { openssl, path } = certificates
      openssl("pkey", "-in", "server-key.pem", "-traditional", "-out", "sec1.pem")
      yield* load(config({ ...certificates.config, key: path("sec1.pem") }))
      openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "rsa-key.pem",
        "-out",
        "rsa.pem",
        "-subj",
        "/CN=rsa"
      )
      openssl(
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-keyout",
        "ed-key.pem",
        "-out",
        "ed.pem",
        "-subj",
        "/CN=ed"
      )
      for (const name of ["rsa", "ed"]) yield* load(config({ cert: path(`${name}.pem`), key: path(`${name}-key.pem`) }))
    })
  )

  it.effect("fails with all that are missing, unreadable, or no PEM", () =>
    Effect.gen(function* () {
      const { certificates, problems } = yield* prepare
      const { openssl, path, write } = certificates
      openssl("x509", "-in", "server.pem", "-outform", "der", "-out", "server.der")
      assert.strictEqual(
        yield* problems({ cert: path("nowhere.pem"), key: certificates.directory }),
        [
          "tls.cert: expected a certificate (PEM), found nowhere.pem, which does not exist (ENOENT)",
          `tls.key: expected a private key (PEM) without a passphrase, found ${certificates.directory}, which is no regular file`
        ].join("\n  ")
      )
      assert.strictEqual(
        yield* problems({ cert: path("server.der") }),
        "tls.cert: expected a certificate (PEM), found server.der, which is not PEM; it may be DER: openssl x509 -inform der"
      )
      write("huge.pem", Buffer.alloc(1_048_577))
      assert.strictEqual(
        yield* problems({ cert: path("huge.pem") }),
        "tls.cert: expected a certificate (PEM), found huge.pem, which has more than 1 MiB"
      )
      write("empty.pem", "")
      assert.strictEqual(
        yield* problems({ ca: path("empty.pem"), request_client_cert: true }),
        "tls.ca: expected certificates of authorities (PEM), found empty.pem, which is not PEM"
      )
      assert.strictEqual(
        yield* problems({ cert: path("server-key.pem"), key: path("server.pem") }),
        [
          "tls.cert: expected a certificate (PEM), found server-key.pem, which has none",
          "tls.key: expected a private key (PEM) without a passphrase, found server.pem, which has none"
        ].join("\n  ")
      )
      write("damaged.pem", certificates.read("server.pem").toString().replace("MII", "MIX"))
      write("damaged-key.pem", certificates.read("server-key.pem").toString().replace("MIG", "MIX"))
      assert.match(
        yield* problems({ cert: path("damaged.pem"), key: path("damaged-key.pem") }),
        /^tls\.cert: .* found damaged\.pem, which is damaged \(.+\)\n {2}tls\.key: .* found damaged-key\.pem, which is damaged \(.+\)$/
      )
    })
  )

  it.effect("fails with a key that has a passphrase, and says how to remove it", () =>
    Effect.gen(function* () {
      const { certificates, problems } = yield* prepare
      const { openssl, path } = certificates
      openssl("pkey", "-in", "server-key.pem", "-aes256", "-passout", "pass:secret", "-out", "pkcs8.pem")
      openssl("ec", "-in", "server-key.pem", "-aes256", "-passout", "pass:secret", "-out", "sec1.pem")
      for (const name of ["pkcs8.pem", "sec1.pem"]) {
        assert.strictEqual(
          yield* problems({ key: path(name) }),
          `tls.key: expected a private key (PEM) without a passphrase, found ${name}, which is encrypted; openssl pkey -in ${name} -out <file> removes the passphrase`
        )
      }
    })
  )

  it.effect("fails with a key that belongs to another certificate", () =>
    Effect.gen(function* () {
      const { certificates, problems } = yield* prepare
      const { path, read, write } = certificates
      assert.strictEqual(
        yield* problems({ key: path("client-key.pem") }),
        "tls.key: expected the private key of the first certificate in server.pem, found client-key.pem, which belongs to another"
      )
      write("reversed.pem", Buffer.concat([read("ca.pem"), read("server.pem")]))
      assert.strictEqual(
        yield* problems({ cert: path("reversed.pem") }),
        "tls.key: expected the private key of the first certificate in reversed.pem, found server-key.pem, which belongs to another; it belongs to a later one in reversed.pem: put that first"
      )
    })
  )

  it.effect("fails with certificates that have expired, or are not valid yet", () =>
    Effect.gen(function* () {
      const { certificates, problems } = yield* prepare
      const ca = { ca: certificates.path("ca.pem"), request_client_cert: true } as const
      yield* TestClock.setTime(Date.now() + 91 * DAY_MILLIS)
      assert.match(
        yield* problems(ca),
        /^tls\.cert: expected a certificate valid now, found server\.pem, which expired on \d{4}-\S+Z\n {2}tls\.ca: expected a certificate valid now, found ca\.pem, which expired on \d{4}-\S+Z$/
      )
      yield* TestClock.setTime(Date.now() - DAY_MILLIS)
      assert.match(yield* problems({}), /^tls\.cert: .* found server\.pem, which is not valid before \d{4}-\S+Z$/)
      certificates.write("chain.pem", Buffer.concat([certificates.read("server.pem"), certificates.read("ca.pem")]))
      certificates.selfSigned("ca", "/CN=fresh", 200)
      certificates.signed("server", "/CN=fresh", "server.ext", 200)
      const chain = Buffer.concat([certificates.read("server.pem"), certificates.read("stranger.pem")])
      certificates.write("chain.pem", chain)
      yield* TestClock.setTime(Date.now() + 91 * DAY_MILLIS)
      assert.match(
        yield* problems({ cert: certificates.path("chain.pem") }),
        /found chain\.pem, whose certificate 2 \(CN=agent-7,O=Elsewhere\) expired on/
      )
    })
  )

  it.effect("warns from thirty days before a certificate ends, once a day", () =>
    Effect.gen(function* () {
      const { certificates } = yield* prepare
      const lines: Array<string> = []
      yield* Layer.build(
        TlsIdentity.layer.pipe(
          Layer.provide(ServerConfig.layerTest({ tls: certificates.config })),
          Layer.provide(RelayLogger.layerTest(lines))
        )
      )
      assert.match(lines.join("\n"), /^INFO TLS as CN=localhost,O=Example, until \S+Z$/)
      yield* TestClock.adjust(57 * DAY_MILLIS)
      assert.lengthOf(lines, 1)
      yield* TestClock.adjust(3 * DAY_MILLIS)
      assert.lengthOf(lines, 3)
      assert.match(
        lines[2]!,
        /^WARNING tls\.cert: \S+server\.pem expires in 28 days, on \S+Z: renew it and reload \(SIGHUP\)$/
      )
      yield* TestClock.adjust(30 * DAY_MILLIS)
      assert.match(lines.at(-1)!, /server\.pem has expired, on /)
    })
  )
})
