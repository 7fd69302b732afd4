import { assert, describe, it } from "@effect/vitest"
import { afterEach, beforeEach, vi } from "vitest"
import * as ControlMessage from "../../src/bus/ControlMessage.ts"
import { Exchange } from "../../src/bus/Exchange.ts"
import * as Frame from "../../src/bus/Frame.ts"
import { Outbound } from "../../src/bus/Outbound.ts"

const originOf = (n: number) => Buffer.alloc(Frame.ORIGIN_BYTES, n)

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }))
afterEach(() => void vi.useRealTimers())

describe("Exchange", () => {
  const start = () => {
    const outbound = new Outbound(originOf(0), 1024, { onSlow: () => {}, onCaughtUp: () => {} })
    const forgotten = vi.spyOn(outbound, "forget")
    const exchange = new Exchange(originOf(0), 65_536, outbound)
    const says = (n: number) => exchange.receiveControl(ControlMessage.encodeText(originOf(n), "alive", 0))
    return { says, forgotten: () => forgotten.mock.calls.map(([id]) => Number.parseInt(id.slice(0, 2), 16)) }
  }

  it("forgets a process that is silent while another one is heard", () => {
    const { forgotten, says } = start()
    says(1)
    says(2)
    for (let i = 0; i < 3; i++) {
      vi.advanceTimersByTime(1000)
      says(1)
    }
    assert.deepStrictEqual(forgotten(), [])
    vi.advanceTimersByTime(1000)
    says(1)
    assert.deepStrictEqual(forgotten(), [2])
  })

  it("forgets nobody after a time in which nothing was heard, as of a stop of this process", () => {
    const { forgotten, says } = start()
    for (const n of [1, 2, 3]) says(n)
    vi.advanceTimersByTime(60_000)
    for (const n of [1, 2, 3]) says(n)
    assert.deepStrictEqual(forgotten(), [])
  })
})
