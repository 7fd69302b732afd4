import { assert, describe, it } from "@effect/vitest"
import * as AddressFilter from "../../src/transport/AddressFilter.ts"

const filter = (lists: Partial<Parameters<typeof AddressFilter.make>[0] extends () => infer L ? L : never>) =>
  AddressFilter.make(() => ({ allow: null, deny: [], trusted_proxies: [], ...lists }))

describe("allow and deny", () => {
  it("let everybody in by default", () => {
    assert.isTrue(filter({}).isAllowed("192.0.2.1"))
    assert.isTrue(filter({}).isAllowed("2001:db8::1"))
  })

  it("let nobody in who is not in an empty list", () => {
    assert.isFalse(filter({ allow: [] }).isAllowed("192.0.2.1"))
  })

  it.each([
    ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "9.255.255.255", "::a00:1"]],
    ["10.1.2.3", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.1.2.4"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["::1", "2001:db8::1"]],
    ["::/0", ["::1", "2001:db8::1"], ["1.2.3.4"]],
    ["2001:db8::/32", ["2001:db8::1", "2001:DB8:ffff::"], ["2001:db9::1", "32.1.13.184"]],
    ["::1", ["::1"], ["::2", "0.0.0.1"]],
    ["::ffff:10.0.0.0/104", ["10.1.2.3"], ["11.1.2.3"]],
    ["::FFFF:10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]],
    ["::ffff:a00:0/104", ["10.1.2.3"], ["11.1.2.3"]],
    ["::ffff:0:0/96", ["10.1.2.3"], ["::1"]],
    ["0:0:0:0:0:FFFF:10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]],
    ["fe80::1%eth0", ["fe80::1", "fe80::1%eth1"], ["fe80::2%eth0"]],
    ["::1%lo", ["::1"], ["::2"]],
    ["fe80::/10", ["fe80::1%eth0"], ["fec0::1"]]
  ])("%s has %j, and not %j", (range, within, without) => {
    for (const ip of within) {
      assert.isTrue(filter({ allow: [range] }).isAllowed(ip), ip)
      assert.isFalse(filter({ deny: [range] }).isAllowed(ip), ip)
      assert.isTrue(filter({ trusted_proxies: [range] }).isTrustedProxy(ip), ip)
    }
    for (const ip of without) {
      assert.isFalse(filter({ allow: [range] }).isAllowed(ip), ip)
      assert.isTrue(filter({ deny: [range] }).isAllowed(ip), ip)
      assert.isFalse(filter({ trusted_proxies: [range] }).isTrustedProxy(ip), ip)
    }
  })

  it("disagree: deny wins", () => {
    const both = filter({ allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] })
    assert.isTrue(both.isAllowed("10.0.0.1"))
    assert.isFalse(both.isAllowed("10.1.0.1"))
    assert.isTrue(both.isDenied("10.1.0.1"))
  })

  it("are looked at anew when a list is replaced", () => {
    const lists = { allow: null as ReadonlyArray<string> | null, deny: ["10.0.0.1"], trusted_proxies: [] }
    const live = AddressFilter.make(() => lists)
    assert.isFalse(live.isAllowed("10.0.0.1"))
    lists.deny = ["10.0.0.2"]
    assert.isTrue(live.isAllowed("10.0.0.1"))
    assert.isFalse(live.isAllowed("10.0.0.2"))
    lists.allow = ["10.0.0.3"]
    assert.isFalse(live.isAllowed("10.0.0.1"))
    lists.allow = null
    assert.isTrue(live.isAllowed("10.0.0.1"))
  })
})
