import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import type { Writable } from "node:stream"
import * as ConnectCli from "./ConnectCli.ts"
import * as FakeServer from "../../support/FakeServer.ts"

/** Writes lines without end, the next ones when the ones before are taken. */
const pour = (stream: Writable) => {
  const piece = Buffer.from(`${"x".repeat(1023)}\n`.repeat(64))
  let given = 0
  let taken = 0
  let isOver = false
  const next = () => {
    if (isOver) return
    given += piece.length
    stream.write(piece, () => {
      taken += piece.length
      setImmediate(next)
    })
  }
  next()
  return {
    given: () => given,
    taken: () => taken,
    stop: () => {
      isOver = true
    }
  }
}

/** The most that the system itself takes of a connection that is not read. */
const KERNEL_BYTES = ["tcp_rmem", "tcp_wmem"].reduce((sum, name) => {
  try {
    return sum + Number(readFileSync(`/proc/sys/net/ipv4/${name}`, "utf8").trim().split(/\s+/)[2])
  } catch {
    return sum + 32 * 1024 * 1024
  }
}, 0)

const LIMIT_BYTES = 2 * KERNEL_BYTES + 32 * 1024 * 1024

/** In each of so many round trips through `connect` in a row it could have taken more. */
const ROUND_TRIPS = 50

/** Waits until nothing is taken any more, though `connect` is awake. */
const stops = Effect.fnUntraced(function* (taken: () => number, roundTrip: Effect.Effect<unknown>) {
  for (let last = -1, same = 0; same < ROUND_TRIPS;) {
    yield* roundTrip
    const now = taken()
    assert.isBelow(now, LIMIT_BYTES, "more is taken than the system has room for")
    same = now === last ? same + 1 : 0
    last = now
  }
})

describe.concurrent("backpressure of connect", () => {
  it.live("reads standard input no faster than the server takes it", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.start([server.port])
      const socket = yield* server.accepted
      const flood = pour(client.stdin)
      let asked = 0
      const roundTrip = Effect.suspend(() => {
        socket.write(`Warning: ${++asked}.\n`)
        return client.printed(new RegExp(`Warning: ${asked}\\.\n`))
      })
      yield* stops(flood.taken, roundTrip)
      flood.stop()
      client.stdin.end()
      assert.strictEqual((yield* FakeServer.received(socket)).length, flood.given())
      socket.end()
      assert.strictEqual(yield* client.exit, 0)
    })
  )

  it.live("reads from the server no faster than standard output is read", () =>
    Effect.gen(function* () {
      const server = yield* FakeServer.fakeServer
      const client = yield* ConnectCli.start(["--raw", server.port], { read: false })
      const socket = yield* server.accepted
      const flood = pour(socket)
      const roundTrip = Effect.suspend(() => {
        client.stdin.write("still there?\n")
        return FakeServer.gets(socket, "still there?\n")
      })
      yield* stops(flood.taken, roundTrip)
      flood.stop()
      socket.end()
      let length = 0
      client.stdout.on("data", (bytes: Buffer) => {
        length += bytes.length
      })
      assert.strictEqual(yield* client.exit, 3)
      assert.strictEqual(length, flood.given())
    })
  )
})
