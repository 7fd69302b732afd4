import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import type { Request } from "../../src/bus/ControlMessage.ts"
import * as Frame from "../../src/bus/Frame.ts"
import { Inbound, MAX_UNANSWERED, REQUEST_MILLIS, UNFINISHED_MILLIS } from "../../src/bus/Inbound.ts"
import * as arbitraries from "../support/Arbitraries.ts"

/** The frames of a batch whose content tells its sender and its number. */
const frames = (origin: number, sequence: number, pieces: number, dropped = 0) => {
  const bytes = Buffer.from(`${`${origin}:${sequence}`.padEnd(pieces * 20 - 1, ".")}\n`)
  return Frame.encode(
    Buffer.alloc(Frame.ORIGIN_BYTES, origin),
    { sequence, parts: [{ bytes, messages: 1 }], bytes: bytes.length, lines: 1, end: 100_000 + sequence, dropped },
    Frame.HEADER_BYTES + Math.ceil(bytes.length / pieces)
  ).map((frame) => Frame.decode(frame)!)
}

const ID = "01".repeat(Frame.ORIGIN_BYTES)

describe("Inbound", () => {
  const step = Arbitrary.all({
    kind: arbitraries.int(0, 9),
    pieces: arbitraries.int(1, 3),
    /** The piece that is lost on the way, if there is such a piece. */
    lost: arbitraries.int(0, 5),
    isDropped: arbitraries.int(0, 9)
  })

  it.prop(
    "makes each batch once, in order, from a relay that answers requests, and counts those that are not kept any more",
    { steps: arbitraries.array(step, { minLength: 1, maxLength: 100 }), kept: arbitraries.int(0, 30) },
    ({ kept, steps }) => {
      const inbound = new Inbound(65_536)
      let now = 0
      let lost = 0
      const made: Array<number> = []
      const batches: Array<{ readonly sequence: number; readonly pieces: number; readonly dropped: number }> = []
      let published = 0
      let dropped = 0
      let requests: Array<Request> = []
      let answeredMillis = 0

      const take = (frame: Frame.Frame, isRepair: boolean) => {
        const arrival = inbound.take(frame, now, isRepair)
        lost += arrival.lost
        if (arrival.request !== undefined) requests.push(arrival.request)
        if (arrival.batch === undefined) return
        const text = Buffer.from(arrival.batch.bytes).toString().replaceAll(".", "")
        made.push(Number(text.split(":")[1]))
      }
      const publish = (pieces: number, losing: number) => {
        batches.push({ sequence: ++published, pieces, dropped })
        for (const [i, frame] of frames(1, published, pieces, dropped).entries())
          if (losing !== i + 1) take(frame, false)
        dropped = 0
      }
      const answer = (newest: number) => {
        const pending = requests
        requests = []
        answeredMillis = now
        for (const { next, token } of pending) {
          const again = (newest === 0 ? batches : batches.slice(-newest)).filter(({ sequence }) => sequence >= next)
          lost += inbound.answered(ID, { token, next: again[0]?.sequence ?? published + 1 }).lost
          for (const { dropped, pieces, sequence } of again) {
            for (const frame of frames(1, sequence, pieces, dropped)) take(frame, true)
          }
        }
      }
      const signOfLife = () => {
        const request = inbound.sent(ID, published, now)
        if (request !== undefined) requests.push(request)
      }

      publish(1, 0)
      for (const { isDropped, kind, lost: losing, pieces } of steps) {
        if (isDropped === 0) {
          published++
          dropped++
        }
        if (kind <= 6) publish(pieces, losing)
        else if (kind === 7) answer(kept)
        else if (kind === 8) signOfLife()
        else now += REQUEST_MILLIS
        // A relay that answers late is not given up; one that never does is.
        if (now - answeredMillis >= 30 * REQUEST_MILLIS) answer(kept)
      }
      publish(1, 0)
      for (let i = 0; i < 3; i++) {
        now += REQUEST_MILLIS
        signOfLife()
        answer(kept)
      }
      assert.deepStrictEqual(
        made,
        [...new Set(made)].toSorted((a, b) => a - b)
      )
      assert.strictEqual(made.at(-1), published)
      assert.strictEqual(made.length + lost, published)
      if (kept === 0) assert.strictEqual(made.length, batches.length)
    }
  )

  it("does not miss the batches from before its first frame, or sign of life", () => {
    const inbound = new Inbound(65_536)
    assert.deepInclude(inbound.take(frames(1, 500, 1)[0]!, 0), { lost: 0 })
    assert.isUndefined(inbound.sent("02".repeat(8), 700, 0))
    assert.isDefined(inbound.take(frames(2, 701, 1)[0]!, 0).batch)
  })

  it("asks for missing batches at once, and again each second until one of them arrives", () => {
    const inbound = new Inbound(65_536)
    const take = (sequence: number, millis: number, isRepair = false) =>
      inbound.take(frames(1, sequence, 1)[0]!, millis, isRepair)
    take(1, 0)
    assert.strictEqual(take(4, 10).request?.next, 2)
    assert.isUndefined(take(5, 10 + REQUEST_MILLIS - 1).request)
    const { next, token } = take(6, 10 + REQUEST_MILLIS).request!
    assert.strictEqual(next, 2)
    inbound.answered(ID, { next, token })
    assert.isUndefined(take(7, 10 + 2 * REQUEST_MILLIS - 1).request)
    assert.isDefined(take(2, 3000, true).batch)
    assert.isUndefined(take(8, 3000 + REQUEST_MILLIS - 1).request)
    for (const sequence of [3, 4, 5, 6, 7, 8]) assert.isDefined(take(sequence, 4000, true).batch)
    assert.isDefined(take(9, 4001).batch)
    assert.strictEqual(take(11, 4002).request?.next, 10)
  })

  it("goes on without the missing batches if nobody answers, and asks less and less often before", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    let millis = 0
    for (let i = 0; i < MAX_UNANSWERED; i++) {
      if (i > 0) assert.isUndefined(inbound.take(frames(1, 5, 1)[0]!, millis - 1).request)
      assert.isDefined(inbound.take(frames(1, 5, 1)[0]!, millis).request)
      millis += REQUEST_MILLIS * 2 ** i
    }
    assert.isUndefined(inbound.take(frames(1, 5, 1)[0]!, millis - 1).batch)
    assert.deepInclude(inbound.take(frames(1, 5, 1)[0]!, millis), { lost: 3 })
    assert.isDefined(inbound.take(frames(1, 6, 1)[0]!, millis).batch)
  })

  it("takes no answer but that to its last request, and forgets no batch that has arrived since", () => {
    const inbound = new Inbound(65_536)
    const take = (sequence: number) => inbound.take(frames(1, sequence, 1)[0]!, 0, true)
    take(1)
    const first = inbound.requestAll(0)[0]![1]
    const second = inbound.requestAll(0)[0]![1]
    assert.deepStrictEqual(inbound.answered(ID, { ...first, next: 900 }), { lost: 0, isBehind: false })
    for (const sequence of [2, 3]) assert.isDefined(take(sequence).batch)
    assert.deepStrictEqual(inbound.answered(ID, second), { lost: 0, isBehind: false })
    assert.isTrue(take(3).isDuplicate)
    assert.deepStrictEqual(inbound.answered(ID, { ...second, next: 900 }), { lost: 0, isBehind: false })
    assert.isDefined(take(4).batch)
  })

  it("loses nothing to an answer that comes half a minute late, behind frames that were under way", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    const requests: Array<Request> = []
    for (let millis = 0; millis < 30_000; millis += 100) {
      const { batch, request } = inbound.take(frames(1, 5, 1)[0]!, millis)
      assert.isUndefined(batch)
      if (request !== undefined) requests.push(request)
    }
    assert.deepStrictEqual(inbound.answered(ID, requests.at(-1)!), { lost: 0, isBehind: false })
    for (const sequence of [2, 3, 4, 5]) {
      const { batch, lost } = inbound.take(frames(1, sequence, 1)[0]!, 30_000, true)
      assert.isDefined(batch)
      assert.strictEqual(lost, 0)
    }
  })

  it("counts requests without an answer anew on each connection", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    for (let i = 0; i < MAX_UNANSWERED; i++) inbound.requestAll(0)
    assert.isDefined(inbound.take(frames(1, 5, 1)[0]!, REQUEST_MILLIS).request)
  })

  it("remembers 1024 processes, and of more those that were heard last", () => {
    const inbound = new Inbound(65_536)
    const content = Buffer.from("\n")
    const take = (origin: string) =>
      inbound.take({ origin, sequence: 1, piece: 0, isLast: true, lines: 1, end: 1, dropped: 0, content }, 0)
    for (let i = 0; i < 1024; i++) take(`${i}`)
    assert.isTrue(take("0").isDuplicate)
    take("one more")
    assert.isTrue(take("0").isDuplicate)
    assert.isTrue(take("2").isDuplicate)
    assert.isUndefined(take("1").isDuplicate)
  })

  it("asks for a batch of which a piece is missing, and takes it whole when it is sent again", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    const [first, second, third] = frames(1, 2, 3)
    assert.deepStrictEqual(inbound.take(first!, 0), { lost: 0 })
    // The connection is lost here, and the next one begins with the first piece again.
    for (const frame of [first!, second!]) assert.isUndefined(inbound.take(frame, 0).batch)
    assert.strictEqual(inbound.take(third!, 0).batch?.bytes.length, 60)
    const [start, middle, end] = frames(1, 3, 3)
    inbound.take(start!, 0)
    assert.strictEqual(inbound.take(end!, 0).request?.next, 3)
    for (const frame of [start!, middle!]) inbound.take(frame, 0, true)
    assert.isDefined(inbound.take(end!, 0, true).batch)
    assert.isDefined(inbound.take(frames(1, 4, 1)[0]!, 0).batch)
  })

  it("loses no batch whose pieces come so slowly that the first are dropped", () => {
    const inbound = new Inbound(65_536)
    inbound.take(frames(1, 1, 1)[0]!, 0)
    const [first, second] = frames(1, 2, 2)
    inbound.take(first!, 0)
    inbound.expire(UNFINISHED_MILLIS)
    assert.strictEqual(inbound.unfinishedBytes, 0)
    assert.strictEqual(inbound.take(second!, UNFINISHED_MILLIS).request?.next, 2)
    inbound.take(first!, UNFINISHED_MILLIS, true)
    assert.deepInclude(inbound.take(second!, UNFINISHED_MILLIS, true), { lost: 0 })
    assert.isDefined(inbound.take(frames(1, 3, 1)[0]!, UNFINISHED_MILLIS).batch)
  })

  it("does not keep more of an unfinished batch than a batch can have", () => {
    const inbound = new Inbound(65_536)
    const content = Buffer.alloc(1024 * 1024)
    const lost = Array.from(
      { length: 30 },
      (_, piece) =>
        inbound.take({ origin: "a", sequence: 1, piece, isLast: false, lines: 1, end: 1, dropped: 0, content }, 0).lost
    )
    assert.strictEqual(lost.indexOf(1), 17)
    assert.strictEqual(
      lost.reduce((sum, n) => sum + n),
      1
    )
  })
})
