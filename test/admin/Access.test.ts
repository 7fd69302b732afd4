import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Access from "../../src/admin/Access.ts"

const asked = (given: Partial<Access.AccessRequest> = {}): Access.AccessRequest => ({
  method: "GET",
  path: "/api/stats",
  host: "127.0.0.1:9090",
  authorization: undefined,
  site: undefined,
  ...given
})

describe("an admin port on a loopback address", () => {
  const decide = Access.make({ host: "127.0.0.1", token: Redacted.make("secret"), token_for_reading: false })

  it("lets everybody read", () => {
    for (const path of ["/", "/metrics", "/api/clients"]) assert.isUndefined(decide(asked({ path })))
    assert.isUndefined(decide(asked({ method: "HEAD" })))
  })

  it("needs the token for actions", () => {
    const post = { method: "POST", path: "/api/drain" }
    assert.isUndefined(decide(asked({ ...post, authorization: "Bearer secret" })))
    assert.isUndefined(decide(asked({ ...post, authorization: "bearer  secret" })))
    for (const authorization of [undefined, "", "secret", "Bearer", "Bearer secre", "Bearer secret2", "Basic secret"]) {
      assert.strictEqual(decide(asked({ ...post, authorization }))?.status, 401, String(authorization))
    }
    for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
      assert.strictEqual(decide(asked({ ...post, method }))?.status, 401)
    }
  })

  it("answers only to its own names, so that no page of another site can read", () => {
    for (const host of ["localhost:9090", "localhost", "127.0.0.1", "[::1]:9090", "x.localhost:1"]) {
      assert.isUndefined(decide(asked({ host })), host)
    }
    for (const host of [
      undefined,
      "",
      "evil.example",
      "evil.example:9090",
      "127.0.0.1.evil.example",
      "localhost.evil.example"
    ]) {
      assert.deepInclude(decide(asked({ host })), { status: 403 })
      assert.deepInclude(decide(asked({ host, method: "POST", authorization: "Bearer secret" })), { status: 403 })
    }
  })
})

describe("an admin port without a token", () => {
  it("has no actions", () => {
    const decide = Access.make({ host: "localhost", token: null, token_for_reading: false })
    assert.isUndefined(decide(asked()))
    assert.deepStrictEqual(decide(asked({ method: "POST", authorization: "Bearer null" })), {
      status: 403,
      error: "actions are off: they need admin.token in the configuration"
    })
  })
})

describe("an admin port on any other address", () => {
  const admin = { host: "0.0.0.0", token: Redacted.make("secret"), token_for_reading: false }
  const decide = Access.make(admin)

  it("needs the token for everything but probes and the empty page, whatever the host is called", () => {
    const host = "relay.example:9090"
    for (const path of ["/", "/healthz", "/readyz"]) assert.isUndefined(decide(asked({ host, path })))
    for (const path of ["/metrics", "/api/stats", "/api/events", "/api/openapi.json", "/healthz/", "//"]) {
      assert.strictEqual(decide(asked({ host, path }))?.status, 401)
      assert.isUndefined(decide(asked({ host, path, authorization: "Bearer secret" })))
    }
    assert.strictEqual(decide(asked({ host, path: "/healthz", method: "POST" }))?.status, 401)
  })

  it("takes a changed token at once, and the old one no longer", () => {
    admin.token = Redacted.make("another")
    assert.strictEqual(decide(asked({ authorization: "Bearer secret" }))?.status, 401)
    assert.isUndefined(decide(asked({ authorization: "Bearer another" })))
  })
})
