import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ConfigError } from "../../src/config/ServerConfig.ts"
import * as ServerConfig from "../../src/config/ServerConfig.ts"
import * as Redacted from "effect/Redacted"
import * as NatsUrl from "../../src/config/NatsUrl.ts"

describe("NatsUrl", () => {
  it.each([
    ["host", { server: "host:4222", isTls: false, user: undefined, password: undefined }],
    ["host:1", { server: "host:1", isTls: false, user: undefined, password: undefined }],
    ["nats://10.0.0.1:5/", { server: "10.0.0.1:5", isTls: false, user: undefined, password: undefined }],
    ["tls://[::1]:5", { server: "[::1]:5", isTls: true, user: undefined, password: undefined }],
    ["nats://token@host", { server: "host:4222", isTls: false, user: "token", password: undefined }],
    ["nats://a%40b:c%3Ad@host", { server: "host:4222", isTls: false, user: "a@b", password: "c:d" }]
  ])("reads %s", (text, expected) => {
    assert.isTrue(NatsUrl.isValid(text))
    const { password, user, ...rest } = NatsUrl.parse(text)
    assert.deepStrictEqual(
      { ...rest, user: user && Redacted.value(user), password: password && Redacted.value(password) },
      expected
    )
  })

  it.each(["", "nats://", "http://host", "ws://host", "host:99999", "nats://host/path", "nats://%zz@host", "a b"])(
    "refuses %j",
    (text) => assert.isFalse(NatsUrl.isValid(text))
  )
})

describe("cluster.nats.servers", () => {
  const decode = (servers: unknown) => ServerConfig.decode({ cluster: { nats: { servers } } }, "test")

  it.effect("may be one, several between commas, or a list", () =>
    Effect.gen(function* () {
      for (const servers of [null, "a", "nats://u:p@a, b:1,tls://u:p@c", ["nats://u:p@a", "b:1"]]) {
        const { values } = yield* decode(servers)
        assert.deepStrictEqual(values.cluster.nats.servers, servers)
      }
    })
  )

  it.effect.each<[servers: unknown, expected: string]>([
    [["a", "http://u:secret@b"], "cluster.nats.servers[1]: expected a URL"],
    ["http://u:secret@b", "cluster.nats.servers: expected null or a URL"],
    [[], "cluster.nats.servers: expected null or a URL"],
    [["nats://u:secret@a", "nats://u:other@b"], "cluster.nats.servers: expected one user and password for all servers"]
  ])("does not show what is secret in %j when it is refused", ([servers, expected]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(servers))
      assert.instanceOf(error, ConfigError)
      assert.include(error.message, expected)
      assert.notInclude(error.message, "secret")
    })
  )

  it.effect("is shown only if it has no user and no token", () =>
    Effect.gen(function* () {
      const shown = (servers: unknown) =>
        Effect.map(decode(servers), ({ values }) => ServerConfig.withoutSecrets(values).cluster.nats.servers as unknown)
      for (const servers of [["tls://u:secret@a:1", "b"], "u:secret@a,nats://u:secret@b", "token@a"]) {
        assert.strictEqual(yield* shown(servers), "(hidden)")
      }
      for (const servers of [null, "a:1", "nats://a,tls://b", ["a", "b"]]) {
        assert.deepStrictEqual(yield* shown(servers), servers)
      }
    })
  )
})
