import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { Buffer } from "node:buffer"
import { afterAll, beforeAll } from "vitest"
import * as Frame from "../../src/bus/Frame.ts"
import * as NatsServer from "../bus/NatsServer.ts"
import * as Relay from "../faults/Relay.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { threadCounts } from "../support/threadCounts.ts"

/** Somebody who may publish: `publish` is done once NATS has it, `origins` are those of the frames that came by. */
const stranger = Effect.fnUntraced(function* ({ host, port }: NatsServer.NatsServer, subject: string) {
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => Net.connect(port, host)),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const waiting: Array<() => void> = []
  let seen = ""
  socket.setEncoding("latin1").on("data", (text: string) => {
    seen += text
    for (const _ of text.match(/PONG\r\n/g) ?? []) waiting.shift()?.()
  })
  socket.write(`CONNECT {"verbose":false,"echo":false}\r\nSUB ${subject} 1\r\n`)
  const publish = (frame: Uint8Array) => {
    socket.write(`PUB ${subject} ${frame.length}\r\n`)
    socket.write(frame)
    socket.write("\r\nPING\r\n")
    return Effect.callback<void>((resume) => void waiting.push(() => resume(Effect.void)))
  }
  /** Of the relay whose frame has this text in it. */
  const originOf = (text: string) => {
    const [, bytes] = new RegExp(`MSG ${subject} 1 \\d+\r\n([^]{${Frame.HEADER_BYTES}})[^]*?${text}`).exec(seen)!
    return Buffer.from(bytes!, "latin1").subarray(4, 4 + Frame.ORIGIN_BYTES)
  }
  /** Of the last frame of a relay that came by. */
  const lastOf = (origin: Buffer) => {
    const at = seen.lastIndexOf(origin.toString("latin1")) + Frame.ORIGIN_BYTES
    return Buffer.from(seen.slice(at, at + 6), "latin1").readUIntBE(0, 6)
  }
  return { publish, originOf, lastOf }
})

const frameOf = (origin: Uint8Array, sequence: number, text: string, lines: number, end = text.length): Uint8Array =>
  Frame.encode(
    origin,
    { sequence, parts: [{ bytes: Buffer.from(text), messages: lines }], bytes: text.length, lines, end, dropped: 0 },
    100_000
  )[0]!

const pairings = threadCounts.flatMap((workers) => ["rust", "python"].map((profile) => ({ workers, profile })))

const isAble = NatsServer.isInstalled && process.platform === "linux"

const scope = Scope.makeUnsafe()
/** For all of them: each has a subject of its own. */
let nats: NatsServer.NatsServer | undefined
if (isAble) {
  beforeAll(async () => {
    nats = await Effect.runPromise(Scope.provide(NatsServer.started(), scope))
  })
}
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

// Each waits for seconds for a sign of life.
describe.skipIf(!isAble).concurrent.each(pairings)(
  "a $profile relay of $workers thread(s), on a NATS that strangers may publish to,",
  ({ profile, workers }) => {
    it.live("sends clients nothing but lines, and goes on hearing the relays whose names are misused", () =>
      Effect.gen(function* () {
        const subject = `${profile}.${workers}`
        const start = (name: string) =>
          Relay.inProcess({
            limits: { worker_threads: workers },
            groups: { version: profile, cluster: { nats: { servers: nats!.url, subject, name } } }
          })
        const [a, b] = [yield* start("a"), yield* start("b")]
        const evil = yield* stranger(nats!, subject)
        const [sender, reader] = [yield* TcpClient.connect(a.port), yield* TcpClient.connect(b.port)]
        yield* TcpClient.settled(sender, reader)
        for (let i = 1; i <= 20; i++) {
          yield* evil.publish(frameOf(Buffer.alloc(8, 1), i, "x".repeat(32_768), 0))
          yield* evil.publish(frameOf(Buffer.alloc(8, 2), i, "no line", 1))
          yield* evil.publish(frameOf(Buffer.alloc(8, 3), i, "one\ntwo\n", 1))
        }
        // NATS answers the stranger after what it has sent it before.
        const origin = evil.originOf("settled")
        yield* evil.publish(frameOf(origin, 2 ** 48 - 1, '"a lie"\n', 1, 2 ** 48 - 1))
        for (let i = 0; i < 5; i++) {
          sender.send(`true ${i}\n`)
          assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, `true ${i}`))
        }
        yield* b.printed(/WARNING bus: \d+ messages were not understood/)
        // A lie with the next number is believed, until the next sign of life of the relay.
        yield* evil.publish(frameOf(origin, evil.lastOf(origin) + 1, '"a lie"\n', 1, 2 ** 40))
        assert.strictEqual(yield* reader.line, '"a lie"')
        yield* b.printed(/WARNING bus: \d+ batches out of sequence/)
        sender.send("true again\n")
        assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, "true again"))
        assert.notMatch(b.output(), /ERROR/)
      })
    )
  }
)
