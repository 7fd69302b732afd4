import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { SOAK } from "./form.ts"
import * as LoadClient from "./LoadClient.ts"
import { watchMemory } from "./Proc.ts"
import * as Relay from "./Relay.ts"
import * as Certificates from "../support/Certificates.ts"
import { threadCounts } from "../support/threadCounts.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

const skipped = !SOAK
  ? " (skipped: the long form runs it; test/room/Outbox.test.ts counts what entries cost)"
  : existsSync("/proc/self/status")
    ? ""
    : " (skipped: there is no /proc to measure with)"

const MIB = 1024 * 1024
const LINE_BYTES = 48
const HARD_LIMIT = 16 * MIB
/** Code, garbage, buffers of the runtime. */
const SLACK_BYTES = 64 * MIB
/** More than the kernel and a backlog hold, with their envelopes. */
const LINES = 200_000

/** A sender whose every line arrives by itself, so that each is a batch: it waits until a witness has it. */
const sendOneByOne = (sender: LoadClient.LoadClient, witness: LoadClient.LoadClient, lines: number) =>
  Effect.callback<void>((resume) => {
    const onData = () => {
      if (witness.lines >= lines) {
        witness.socket.off("data", onData)
        resume(Effect.void)
      } else if (witness.lines === sender.sent) sender.send(1)
    }
    witness.socket.on("data", onData)
    sender.send(1)
  })

const rooms = [
  { count: 1, transport: "TCP", worker_threads: 1 },
  { count: 100, transport: "TCP", worker_threads: 1 },
  { count: 100, transport: "WebSocket", worker_threads: 1 },
  // In the python profile, which bounds memory alone.
  { count: 100, transport: "TLS", worker_threads: 1 },
  { count: 100, transport: "TCP", worker_threads: 2 }
].filter(
  ({ transport, worker_threads }) =>
    threadCounts.includes(worker_threads) && (transport !== "TLS" || Certificates.hasOpenssl)
)

describe("the backlog of clients that never read, of lines that each come alone, with drop_oldest,", () => {
  for (const { count, transport, worker_threads } of rooms) {
    const name = `costs each thread no more than the hard limit and 64 MiB for ${count} over ${transport}, with ${worker_threads} thread(s)`
    it.live.skipIf(skipped !== "")(`${name}${skipped}`, () =>
      Effect.gen(function* () {
        const certificates = transport === "TLS" ? yield* Certificates.make : undefined
        const relay = yield* Relay.quiet({
          limits: { worker_threads, slow_consumer: { policy: "drop_oldest", hard_limit_bytes: HARD_LIMIT } },
          groups: certificates
            ? { version: "python", tls: certificates.config, websocket: { port: 0 } }
            : { websocket: { port: 0 } }
        })
        const options = { lineBytes: LINE_BYTES, ...(certificates && { tls: certificates.client() }) }
        const sender = yield* LoadClient.connect(relay.port, options)
        const witness = yield* LoadClient.connect(relay.port, options)
        if (transport !== "WebSocket") {
          const deaf = yield* LoadClient.connectMany(relay.port, count, { ...options, reads: false })
          yield* LoadClient.gathered([sender, ...deaf], witness)
        } else {
          const [, url] = yield* relay.printed(/listening on (ws:\S+)/)
          const deaf = yield* Effect.replicateEffect(WebSocketClient.connect(url!), count)
          for (const { socket } of deaf) socket.pause()
          yield* LoadClient.gathered([sender], witness)
        }
        // The first lines fill the kernel, fast.
        yield* sender.sendFast(60_000)
        yield* witness.until((self) => self.lines === 60_000, "the first lines")
        const memory = watchMemory(relay.pid)
        yield* sendOneByOne(sender, witness, 60_000 + LINES)
        const { growth } = memory()
        yield* Relay.measured(`${count} over ${transport} never read lines of ${LINE_BYTES} bytes`, {
          threads: worker_threads,
          "memory growth (MiB)": Relay.mib(growth)
        })
        assert.match(relay.output(), /dropped/)
        assert.isBelow(growth, worker_threads * (HARD_LIMIT + SLACK_BYTES))
      })
    )
  }
})
