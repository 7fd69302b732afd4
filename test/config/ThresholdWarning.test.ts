import { assert, describe, it } from "@effect/vitest"
import { thresholdWarning } from "../../src/config/thresholdWarning.ts"
import { defaults, type Written } from "../../src/config/ServerConfig.ts"
import { merge } from "../../src/config/ServerConfig.ts"

const said = (config: Written) => thresholdWarning(merge(defaults, config) as typeof defaults)

describe("the warning of thresholds", () => {
  it("says in words what will happen to senders of a large room", () => {
    assert.deepStrictEqual(said({}), [
      'backpressure_policy: from 100 other clients on a sender waits between its lines, and from 500 on it is disconnected and its IP address banned for 300 s; "enable_disconnect": false, or a higher threshold, keeps large rooms talking'
    ])
    assert.match(said({ hyper_parameters: { quarantine_cooldown_secs: 0 } })[0]!, / from 500 on it is disconnected; /)
    assert.match(
      said({ hyper_parameters: { quarantine_scope: "address", backpressure_policy: { enable_throttle: false } } })[0]!,
      /: from 500 on it is disconnected and its address banned/
    )
  })

  it("is not said of rooms that never get so large, and of profiles and policies that disconnect nobody", () => {
    for (const config of [
      { version: "python" },
      { hyper_parameters: { max_clients: 500 } },
      { hyper_parameters: { backpressure_policy: { enable_disconnect: false } } }
    ] satisfies ReadonlyArray<Written>) {
      assert.deepStrictEqual(said(config), [])
    }
  })
})
