import { assert, describe, it } from "@effect/vitest"
import * as ControlMessage from "../../src/bus/ControlMessage.ts"
import * as arbitraries from "../support/Arbitraries.ts"

const origin = Buffer.from("0123456789abcdef", "hex")
const from = origin.toString("hex")

describe("ControlMessage", () => {
  const number = arbitraries.int(0, 2 ** 48 - 1)

  it.prop("gives a text back as it was", { text: arbitraries.line, sent: number }, ({ sent, text }) =>
    assert.deepStrictEqual(ControlMessage.decode(ControlMessage.encodeText(origin, text, sent)), {
      _tag: "Text",
      from,
      text,
      sent
    })
  )

  it.prop(
    "gives a request and its answer back as they were",
    { next: arbitraries.int(1, 2 ** 48 - 1), token: arbitraries.int(0, 2 ** 32 - 1) },
    (request) => {
      const { encodePosition, encodeRequest } = ControlMessage
      assert.deepStrictEqual(ControlMessage.decode(encodeRequest(origin, request)), {
        _tag: "Request",
        from,
        ...request
      })
      assert.deepStrictEqual(ControlMessage.decode(encodePosition(origin, request)), {
        _tag: "Position",
        from,
        ...request
      })
    }
  )

  it.prop("gives an acknowledgement back as it was", { end: number }, ({ end }) =>
    assert.deepStrictEqual(ControlMessage.decode(ControlMessage.encodeAcknowledgement(origin, end)), {
      _tag: "Acknowledgement",
      from,
      end
    })
  )

  it("takes nothing that is too short, too long or of another kind", () => {
    const acknowledgement = ControlMessage.encodeAcknowledgement(origin, 1)
    const request = ControlMessage.encodeRequest(origin, { token: 1, next: 1 })
    const text = ControlMessage.encodeText(origin, "x".repeat(256 * 1024 - 6), 1)
    assert.isDefined(ControlMessage.decode(text))
    for (const bytes of [
      new Uint8Array(),
      text.subarray(0, 8),
      acknowledgement.subarray(0, -1),
      request.subarray(0, -1),
      // No batch has number 0.
      ControlMessage.encodeRequest(origin, { token: 1, next: 0 }),
      Buffer.concat([text, Buffer.from("x")]),
      Buffer.concat([Buffer.from([3]), text.subarray(1, 20)])
    ])
      assert.isUndefined(ControlMessage.decode(bytes))
  })
})
