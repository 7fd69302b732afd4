import { assert, describe, it } from "@effect/vitest"
import * as ControlMessage from "../../src/bus/ControlMessage.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const origin = Buffer.from("0123456789abcdef", "hex")
const from = origin.toString("hex")

describe("ControlMessage", () => {
  it.prop("gives a text back as it was", { text: arbitraries.line }, ({ text }) =>
    assert.deepStrictEqual(ControlMessage.decode(ControlMessage.encodeText(origin, text)), { _tag: "Text", from, text })
  )

  it.prop("gives an acknowledgement back as it was", { end: arbitraries.int(0, 2 ** 48 - 1) }, ({ end }) =>
    assert.deepStrictEqual(ControlMessage.decode(ControlMessage.encodeAcknowledgement(origin, end)), {
      _tag: "Acknowledgement",
      from,
      end
    })
  )

  it("takes nothing that is too short, too long or of another kind", () => {
    const acknowledgement = ControlMessage.encodeAcknowledgement(origin, 1)
    const text = ControlMessage.encodeText(origin, "x".repeat(256 * 1024))
    assert.isDefined(ControlMessage.decode(text))
    for (const bytes of [
      new Uint8Array(),
      text.subarray(0, 8),
      acknowledgement.subarray(0, -1),
      Buffer.concat([text, Buffer.from("x")]),
      Buffer.concat([Buffer.from([3]), text.subarray(1, 20)])
    ])
      assert.isUndefined(ControlMessage.decode(bytes))
  })
})
