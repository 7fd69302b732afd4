import { assert, describe, it } from "@effect/vitest"
import * as ConfigPath from "../../src/config/ConfigPath.ts"
import { defaults, keys } from "../../src/config/ServerConfig.ts"

describe("ConfigPath", () => {
  it("is the path of the group, and the name in it", () => {
    for (const { path } of keys()) {
      const [group, name] = [ConfigPath.groupOf(path), ConfigPath.nameOf(path)]
      assert.strictEqual(group === "" ? name : `${group}.${name}`, path)
      assert.notInclude(name, ".")
    }
    assert.strictEqual(ConfigPath.groupOf("port"), "")
  })

  it("finds what is there, and nothing where nothing is", () => {
    const values = { a: { b: [{ c: 1 }], nothing: null } }
    assert.strictEqual(ConfigPath.valueAt(values, ""), values)
    assert.strictEqual(ConfigPath.valueAt(values, "a.b"), values.a.b)
    assert.strictEqual(ConfigPath.valueAt(values, ["a", "b", 0, "c"]), 1)
    for (const path of ["x", "a.x", "a.x.y", "a.nothing.x", "a.b.c.d"]) {
      assert.isUndefined(ConfigPath.valueAt(values, path), path)
    }
  })

  it("changes a key and leaves its neighbours", () => {
    const values = structuredClone(defaults)
    ConfigPath.setAt(values, "port", 1)
    ConfigPath.setAt(values, "cluster.nats.tls.ca", "ca.pem")
    assert.deepStrictEqual(values, {
      ...defaults,
      port: 1,
      cluster: { nats: { ...defaults.cluster.nats, tls: { ...defaults.cluster.nats.tls, ca: "ca.pem" } } }
    })
    assert.throws(
      () => ConfigPath.setAt(values, "no.such.group", 1),
      "no.such.group: the configuration has no such group"
    )
  })

  it("makes a configuration of one key", () => {
    assert.deepStrictEqual(ConfigPath.only("a.b.c", [1]), { a: { b: { c: [1] } } })
  })
})
