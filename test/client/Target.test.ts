import { assert, describe, it } from "@effect/vitest"
import * as Target from "../../src/client/Target.ts"

describe("the address of a server", () => {
  it.each([
    ["example.org:9000", "example.org:9000"],
    ["localhost", "localhost:8888"],
    ["10.0.0.1", "10.0.0.1:8888"],
    [":9000", "127.0.0.1:9000"],
    ["9000", "127.0.0.1:9000"],
    ["[::1]:9000", "[::1]:9000"],
    ["[::1]", "[::1]:8888"],
    ["::1", "[::1]:8888"],
    ["fe80::1:9000", "[fe80::1:9000]:8888"],
    ["fe80::1%eth0", "[fe80::1%eth0]:8888"],
    ["relay_1.bücher.example:65535", "relay_1.bücher.example:65535"]
  ])("%s is understood as %s", (text, expected) => {
    assert.strictEqual(Target.format(Target.parse(text)!), expected)
    assert.strictEqual(Target.format(Target.parseUrl(`tls://${text}/`)!), expected)
  })

  it.each([
    "",
    ":",
    "host:",
    "0",
    ":0",
    "65536",
    "host:65536",
    "host:-1",
    "host:80x",
    "a:b:c",
    "[::1",
    "[host]:80",
    "[]:80",
    "http://host",
    "user@host",
    "host name",
    "host\u001b[31m"
  ])("%j is refused", (text) => {
    assert.isUndefined(Target.parse(text))
    assert.isUndefined(Target.parseUrl(`tcp://${text}`))
  })
})
