import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { join } from "node:path"
import { ClientLimits } from "../../src/limits/ClientLimits.ts"
import * as ServerConfig from "../../src/config/ServerConfig.ts"
import * as Frames from "../../src/workers/Frames.ts"
import type { LinkLimits } from "../../src/workers/Link.ts"
import { Mesh } from "../../src/workers/Mesh.ts"
import { Roll } from "../../src/workers/Roll.ts"
import * as SharedPlaces from "../../src/workers/SharedPlaces.ts"
import * as Directory from "../support/Directory.ts"
import { until } from "../support/Server.ts"

const LIMITS: LinkLimits = { soft_limit_bytes: 65_536, hard_limit_bytes: 1_048_576, max_line_bytes: 4 * 1_048_576 }

/** Workers without processes of their own. `leave` ends one. */
const party = Effect.gen(function* () {
  const directory = yield* Directory.make()
  const here: Array<number> = []
  const rolls = new Set<Roll>()
  const call = () => {
    for (const roll of rolls) roll.call([...here])
  }
  const join = Effect.fnUntraced(function* (id: number, limits = LIMITS, secret = "secret") {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const others = new Roll()
    const announce = Effect.sync(() => {
      here.push(id)
      rolls.add(others)
      call()
    })
    const context = yield* Layer.build(Mesh.layer({ id, directory, secret, limits, announce, others })).pipe(
      Scope.provide(scope)
    )
    const mesh = yield* Effect.provideContext(Mesh, context)
    const got: Array<string> = []
    let slow = 0
    mesh.observeUnsafe({
      onBatch: ({ bytes }) => {
        got.push(Buffer.from(bytes).toString().slice(0, 20).trimEnd())
        mesh.grantUnsafe()
      },
      onSlow: () => slow++
    })
    return {
      mesh,
      got,
      others,
      slow: () => slow,
      publish: (text: string) => mesh.publishUnsafe([{ bytes: Buffer.from(`${text}\n`), messages: 1 }]),
      leave: Effect.andThen(
        Effect.sync(() => {
          here.splice(here.indexOf(id), 1)
          rolls.delete(others)
          call()
        }),
        Scope.close(scope, Exit.void)
      )
    }
  })
  return { directory, join }
})

/** A worker 9 that is only a socket, on its way to worker 1. */
const dial = Effect.fnUntraced(function* (directory: string, sequence = 0) {
  const socket = Net.connect(join(directory, "1.sock"))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  socket.write(Frames.encode(Frames.HELLO, "secret 9", sequence))
  return socket
})

const linksOf = (mesh: Mesh["Service"]) => Array.from(mesh.linksUnsafe(), ({ id }) => id).toSorted((a, b) => a - b)

describe("Mesh", () => {
  it.live("brings each batch to all others once, in the order of its sender, and never back", () =>
    Effect.gen(function* () {
      const { join } = yield* party
      const limits = { ...LIMITS, hard_limit_bytes: 64 * 1_048_576 }
      const [a, b, c] = [yield* join(1, limits), yield* join(2, limits), yield* join(3, limits)]
      yield* until(() => [a, b, c].every(({ mesh }) => linksOf(mesh).length === 2))
      for (let i = 0; i < 500; i++) {
        a.publish(`a${i}`)
        // Large ones are not copied.
        c.publish(`c${i}${" ".repeat(i % 50 === 0 ? 200_000 : 0)}`)
      }
      yield* until(() => b.got.length >= 1000 && a.got.length >= 500 && c.got.length >= 500)
      const expected = (from: string) => Array.from({ length: 500 }, (_, i) => `${from}${i}`)
      assert.deepStrictEqual(
        b.got.filter((text) => text.startsWith("a")),
        expected("a")
      )
      assert.deepStrictEqual(
        b.got.filter((text) => text.startsWith("c")),
        expected("c")
      )
      assert.deepStrictEqual(a.got, expected("c"))
      assert.deepStrictEqual(c.got, expected("a"))
      assert.include(b.mesh.statsUnsafe(), { lost: 0, dropped: 0, malformed: 0 })
    })
  )

  it.live("goes on without one that leaves, and takes in one that comes later", () =>
    Effect.gen(function* () {
      const { join } = yield* party
      const [a, b] = [yield* join(1), yield* join(2)]
      a.publish("before")
      yield* b.leave
      yield* until(() => linksOf(a.mesh).length === 0)
      a.publish("to nobody")
      const c = yield* join(3)
      assert.deepStrictEqual(linksOf(c.mesh), [1])
      yield* until(() => linksOf(a.mesh).length === 1)
      a.publish("after")
      yield* until(() => c.got.length > 0)
      assert.deepStrictEqual(c.got, ["after"])
      // What was said before it came is not lost to it.
      assert.strictEqual(c.mesh.statsUnsafe().lost, 0)
    })
  )

  it.live("lets nobody in who does not know the secret", () =>
    Effect.gen(function* () {
      const { directory, join: enter } = yield* party
      const a = yield* enter(1)
      const stranger = yield* enter(2, LIMITS, "guessed")
      assert.deepStrictEqual(linksOf(stranger.mesh), [])
      assert.isAtLeast(a.mesh.statsUnsafe().malformed, 1)
      const socket = Net.connect(join(directory, "1.sock"))
      const heard: Array<Buffer> = []
      socket.on("data", (chunk: Buffer) => heard.push(chunk)).on("error", () => {})
      socket.write("GET / HTTP/1.1\r\n\r\n")
      yield* Effect.callback<void>((resume) => void socket.on("close", () => resume(Effect.void)))
      assert.deepStrictEqual(heard, [])
      assert.deepStrictEqual(linksOf(a.mesh), [])
    })
  )

  it.live("holds no more than the limit for one that is stuck: the oldest goes, and is counted at both ends", () =>
    Effect.gen(function* () {
      const { directory, join: enter } = yield* party
      const a = yield* enter(1)
      const stuck = yield* dial(directory)
      stuck.pause()
      yield* until(() => linksOf(a.mesh).length === 1)
      const size = 100_000
      for (let i = 0; i < 60; i++) {
        a.publish(`${i}`.padEnd(size))
        assert.isAtMost(a.mesh.statsUnsafe().bytesWaiting, LIMITS.hard_limit_bytes + 1024 * 1024 + 2 * size)
        yield* Effect.sleep(0)
      }
      assert.strictEqual(a.slow(), 1)
      assert.isTrue(a.mesh.isSlowUnsafe())
      const { dropped } = a.mesh.statsUnsafe()
      assert.isAbove(dropped, 30)
      const sequences: Array<number> = []
      let bytes = 0
      const reader = new Frames.FrameReader(({ content, kind, sequence }) => {
        if (kind !== Frames.BATCH) return
        sequences.push(sequence)
        bytes += content.length
        stuck.write(Frames.encode(Frames.CREDIT, "", bytes))
      })
      stuck.on("data", (chunk: Buffer) => reader.push(chunk)).resume()
      yield* until(() => sequences.at(-1) === 60)
      assert.deepStrictEqual(
        sequences,
        sequences.toSorted((a, b) => a - b)
      )
      assert.strictEqual(sequences.length, 60 - dropped)
      yield* until(() => !a.mesh.isSlowUnsafe())
    })
  )

  it.live("dials again whom it has lost, as long as the other one is there", () =>
    Effect.gen(function* () {
      const { directory, join: enter } = yield* party
      const a = yield* enter(1)
      // One that is there and does not answer, as if it were stopped.
      const silent: Array<Net.Socket> = []
      /** What it says to those that call, once it does: its number. */
      let hello: number | undefined
      const server = Net.createServer((socket) => {
        silent.push(socket)
        if (hello !== undefined) socket.write(Frames.encode(Frames.HELLO, "secret 0", hello))
      })
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      yield* Effect.callback<void>((resume) => void server.listen(join(directory, "0.sock"), () => resume(Effect.void)))
      a.others.call([0, 1])
      yield* until(() => silent.length === 1)
      assert.deepStrictEqual(a.mesh.missingUnsafe(), [])
      yield* until(() => a.mesh.missingUnsafe().length > 0)
      assert.deepStrictEqual(a.mesh.missingUnsafe(), [0])
      hello = 7
      yield* until(() => linksOf(a.mesh).length === 1)
      assert.deepStrictEqual(a.mesh.missingUnsafe(), [])
      // What it says while the link is cut is missed, and counted.
      hello = 9
      silent.at(-1)!.destroy()
      yield* until(() => a.mesh.statsUnsafe().lost > 0)
      assert.strictEqual(a.mesh.statsUnsafe().lost, 2)
      assert.deepStrictEqual(linksOf(a.mesh), [0])
      a.others.call([1])
      const calls = silent.length
      silent.at(-1)!.destroy()
      yield* until(() => linksOf(a.mesh).length === 0)
      // A call would have been accepted before this one.
      const marker = Net.connect(join(directory, "0.sock"))
      yield* Effect.addFinalizer(() => Effect.sync(() => marker.destroy()))
      yield* until(() => silent.length > calls)
      assert.strictEqual(silent.length, calls + 1)
    })
  )

  it.live("sends no more than a window ahead of what has reached the clients of another one", () =>
    Effect.gen(function* () {
      const { directory, join: enter } = yield* party
      const limits = { ...LIMITS, hard_limit_bytes: 64 * 1_048_576 }
      const a = yield* enter(1, limits)
      const other = yield* dial(directory)
      let bytes = 0
      let markers = 0
      const reader = new Frames.FrameReader(({ content, kind }) => {
        if (kind === Frames.BATCH) bytes += content.length
        else if (kind === Frames.CONTROL) markers++
      })
      other.on("data", (chunk: Buffer) => reader.push(chunk))
      yield* until(() => linksOf(a.mesh).length === 1)
      const content = "x".repeat(9999)
      for (let i = 0; i < 1000; i++) a.publish(content)
      // Comes after all that was sent before.
      a.mesh.tellUnsafe(Frames.CONTROL, "marker")
      yield* until(() => markers > 0)
      assert.isAtLeast(bytes, 1024 * 1024)
      assert.isBelow(bytes, 1070 * 1024)
      assert.isTrue(a.mesh.isSlowUnsafe())
      // Told that it takes some time, senders are told again to wait.
      const before = a.slow()
      other.write(Frames.encode(Frames.HOLD, ""))
      yield* until(() => a.slow() === before + 1)
      for (let credited = 0; credited < 10_000_000; credited = bytes) {
        other.write(Frames.encode(Frames.CREDIT, "", bytes))
        yield* until(() => bytes > credited)
      }
      assert.strictEqual(bytes, 10_000_000)
      assert.isFalse(a.mesh.isSlowUnsafe())
    })
  )

  it.live("knows what a link has lost", () =>
    Effect.gen(function* () {
      const { directory, join: enter } = yield* party
      const a = yield* enter(1)
      const other = yield* dial(directory, 3)
      for (const sequence of [4, 5, 9]) {
        for (const { bytes } of Frames.encodeBatch([{ bytes: Buffer.from("x\n"), messages: 1 }], 2, 1, sequence)) {
          other.write(bytes)
        }
      }
      yield* until(() => a.got.length === 3)
      assert.strictEqual(a.mesh.statsUnsafe().lost, 3)
    })
  )
})

describe("places", () => {
  const limitsOf = (mesh: Mesh["Service"], hyper_parameters: object) =>
    Layer.build(
      SharedPlaces.layer.pipe(
        Layer.provide(Layer.succeed(Mesh, mesh)),
        Layer.provide(ServerConfig.ServerConfig.layerValue({ hyper_parameters }, "test"))
      )
    ).pipe(Effect.flatMap((context) => Effect.provideContext(ClientLimits, context)))

  it.live("are those of all workers together, also of one that comes later, and free once one is gone", () =>
    Effect.gen(function* () {
      const { join } = yield* party
      const limits = { max_clients: 5, max_clients_per_ip: 2 }
      const a = yield* join(1)
      const ofA = yield* limitsOf(a.mesh, limits)
      assert.isTrue(ofA.enterUnsafe({ ip: "10.0.0.1", transport: "tcp" }))
      const b = yield* join(2)
      const ofB = yield* limitsOf(b.mesh, limits)
      const admits = (of: ClientLimits["Service"], ip: string) => () => {
        const isAdmitted = of.enterUnsafe({ ip, transport: "tcp" })
        if (isAdmitted) of.leaveUnsafe({ ip, transport: "tcp" })
        return isAdmitted
      }
      assert.isTrue(ofB.enterUnsafe({ ip: "10.0.0.1", transport: "tcp" }))
      yield* until(() => !admits(ofB, "10.0.0.1")())
      yield* until(() => !admits(ofA, "10.0.0.1")())
      ofB.leaveUnsafe({ ip: "10.0.0.1", transport: "tcp" })
      yield* until(admits(ofA, "10.0.0.1"))
      for (let i = 0; i < 4; i++) assert.isTrue(ofB.enterUnsafe({ ip: `10.0.1.${i}`, transport: "tcp" }))
      yield* until(() => !admits(ofA, "10.0.2.1")())
      yield* until(() => !admits(ofB, "10.0.2.1")())
      yield* b.leave
      yield* until(admits(ofA, "10.0.2.1"))
      assert.isTrue(ofA.enterUnsafe({ ip: "10.0.1.1", transport: "tcp" }))
    })
  )
})
