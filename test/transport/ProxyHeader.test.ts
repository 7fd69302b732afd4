import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isDeepStrictEqual } from "node:util"
import { parse } from "../../src/transport/ProxyHeader.ts"
import { array, int } from "../support/Arbitraries.ts"
import { runs } from "../support/runs.ts"

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n")

const v2 = (command: number, family: number, rest: Uint8Array, length = rest.length) =>
  Buffer.concat([SIGNATURE, Buffer.from([command, family, length >> 8, length & 255]), rest])

const addresses4 = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0xd4, 0x31, 0x22, 0xb8])
const addresses6 = Buffer.concat([
  Buffer.from("20010db8000000000000000000000007", "hex"),
  Buffer.from("20010db8000000000000000000000001", "hex"),
  Buffer.from([0xd4, 0x31, 0x22, 0xb8])
])

const header = (length: number, ip?: string, address?: string) => ({
  _tag: "Header" as const,
  length,
  client: ip === undefined ? undefined : { address: address!, ip }
})

const text = (line: string) => Buffer.from(line, "latin1")

describe("a PROXY header of version 1", () => {
  it.each([
    ["PROXY TCP4 192.0.2.7 10.0.0.1 54321 8888\r\n", "192.0.2.7", "192.0.2.7:54321"],
    ["PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n", "192.0.2.7", "192.0.2.7:0"],
    ["PROXY TCP6 2001:DB8:0::7 2001:db8::1 54321 8888\r\n", "2001:db8::7", "[2001:db8::7]:54321"],
    ["PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7", "192.0.2.7:1"],
    ["PROXY UNKNOWN\r\n", undefined, undefined],
    ["PROXY UNKNOWN ffff::1 whatever it says 1 2\r\n", undefined, undefined]
  ])("is read: %j", (line, ip, address) => {
    assert.deepStrictEqual(parse(text(line)), header(line.length, ip, address))
    assert.deepStrictEqual(parse(text(`${line}the client's`)), header(line.length, ip, address))
  })

  it.each([
    "PROXY TCP4 192.0.2.7 10.0.0.1 54321 8888\n",
    "PROXY TCP4 192.0.2.7 10.0.0.1 65536 8888\r\n",
    "PROXY TCP4 192.0.2.7 10.0.0.1 -1 8888\r\n",
    "PROXY TCP4 192.0.2.7 10.0.0.1 54321\r\n",
    "PROXY TCP4 192.0.2.777 10.0.0.1 54321 8888\r\n",
    "PROXY TCP4 ::1 ::1 54321 8888\r\n",
    "PROXY TCP6 192.0.2.7 10.0.0.1 54321 8888\r\n",
    "PROXY TCP5 192.0.2.7 10.0.0.1 54321 8888\r\n",
    "PROXY  TCP4 192.0.2.7 10.0.0.1 54321 8888\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY \r\n",
    "proxy TCP4 192.0.2.7 10.0.0.1 54321 8888\r\n",
    "hello\n",
    `PROXY UNKNOWN ${"x".repeat(200)}\r\n`,
    `PROXY UNKNOWN ${"x".repeat(93)}`
  ])("is refused: %j", (line) => {
    assert.deepStrictEqual(parse(text(line)), { _tag: "Invalid" })
  })

  it("has at most 107 bytes", () => {
    const longest = `PROXY UNKNOWN ${"x".repeat(91)}\r\n`
    assert.deepStrictEqual(parse(text(longest)), header(107))
    assert.deepStrictEqual(parse(text(longest.slice(0, 106))), { _tag: "Incomplete" })
    assert.deepStrictEqual(parse(text(longest.replace("\r\n", "x\r\n"))), { _tag: "Invalid" })
  })
})

describe("a PROXY header of version 2", () => {
  const tlvs = Buffer.from([4, 0, 1, 0])
  it.each([
    ["of TCP over IPv4", v2(0x21, 0x11, addresses4), "192.0.2.7", "192.0.2.7:54321"],
    ["of TCP over IPv6", v2(0x21, 0x21, addresses6), "2001:db8::7", "[2001:db8::7]:54321"],
    ["with more than the addresses", v2(0x21, 0x11, Buffer.concat([addresses4, tlvs])), "192.0.2.7", "192.0.2.7:54321"],
    ["of a check by the load balancer", v2(0x20, 0x00, Buffer.alloc(0)), undefined, undefined],
    ["of such a check, with addresses", v2(0x20, 0x11, addresses4), undefined, undefined],
    ["of an unknown family", v2(0x21, 0x00, tlvs), undefined, undefined],
    ["of a Unix socket", v2(0x21, 0x31, Buffer.alloc(216)), undefined, undefined],
    ["of datagrams", v2(0x21, 0x12, addresses4), undefined, undefined],
    ["as long as it may be", v2(0x20, 0x00, Buffer.alloc(4096)), undefined, undefined]
  ])("%s is read", (_name, bytes, ip, address) => {
    assert.deepStrictEqual(parse(bytes), header(bytes.length, ip, address))
    assert.deepStrictEqual(parse(Buffer.concat([bytes, text("the client's")])), header(bytes.length, ip, address))
  })

  it.each([
    ["of another version", v2(0x31, 0x11, addresses4)],
    ["with another command", v2(0x22, 0x11, addresses4)],
    ["of another family", v2(0x21, 0x41, addresses4)],
    ["of another transport", v2(0x21, 0x13, addresses4)],
    ["with addresses that do not fit", v2(0x21, 0x11, addresses4.subarray(1))],
    ["that is too long", v2(0x20, 0x00, Buffer.alloc(0), 4097)]
  ])("%s is refused", (_name, bytes) => {
    assert.deepStrictEqual(parse(bytes), { _tag: "Invalid" })
  })
})

describe("parsing a PROXY header", () => {
  const byte = int(0, 255)
  const bytes = Arbitrary.map(array(byte, { maxLength: 60 }), (list) => Buffer.from(list))
  const whole = [
    text("PROXY TCP4 192.0.2.7 10.0.0.1 54321 8888\r\n"),
    text("PROXY UNKNOWN\r\n"),
    v2(0x21, 0x11, addresses4),
    v2(0x21, 0x21, Buffer.concat([addresses6, addresses4])),
    v2(0x20, 0x00, Buffer.alloc(0))
  ]

  it("waits for the last byte of a header, wherever its pieces end", () => {
    for (const bytes of whole) {
      for (let length = 0; length < bytes.length; length++) {
        assert.deepStrictEqual(parse(bytes.subarray(0, length)), { _tag: "Incomplete" }, bytes.toString("latin1"))
      }
      assert.strictEqual(parse(bytes)._tag, "Header")
    }
  })

  // Headers with a few bytes changed, followed by anything.
  const damaged = Arbitrary.map(
    Arbitrary.all([
      int(0, whole.length - 1),
      Arbitrary.array(Arbitrary.all([int(0, 60), byte]), { maxLength: 3 }),
      bytes
    ]),
    ([which, changes, rest]) => {
      const header = Buffer.from(whole[which]!)
      for (const [at, value] of changes) if (at < header.length) header[at] = value
      return Buffer.concat([header, rest])
    }
  )

  for (const [name, arbitrary] of [
    ["any bytes", bytes],
    ["damaged headers", damaged]
  ] as const) {
    it.effect.prop(
      `never throws on ${name}, and gives the same however they are cut`,
      { input: arbitrary },
      ({ input }) =>
        Effect.sync(() => {
          const complete = parse(input)
          if (complete._tag === "Header") assert.isAtMost(complete.length, input.length)
          const parsed = Array.from({ length: input.length + 1 }, (_, length) => parse(input.subarray(0, length)))
          const decided = parsed.findIndex(({ _tag }) => _tag !== "Incomplete")
          const first = decided === -1 ? parsed.length : decided
          assert.isTrue(parsed.slice(first).every((one) => isDeepStrictEqual(one, complete)))
          if (complete._tag === "Header") assert.strictEqual(first, complete.length)
        }),
      runs(200)
    )
  }

  it.effect.prop(
    "gives the address that was written",
    {
      source: Arbitrary.array(byte, { minLength: 4, maxLength: 4 }),
      port: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
    },
    ({ port, source }) =>
      Effect.sync(() => {
        const ip = source.join(".")
        const binary = Buffer.concat([Buffer.from(source), Buffer.alloc(4), Buffer.from([port >> 8, port & 255, 0, 0])])
        for (const bytes of [v2(0x21, 0x11, binary), text(`PROXY TCP4 ${ip} 0.0.0.0 ${port} 0\r\n`)]) {
          assert.deepStrictEqual(parse(bytes), header(bytes.length, ip, `${ip}:${port}`))
        }
      })
  )
})
