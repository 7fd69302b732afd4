import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { availableParallelism } from "node:os"
import { bounds, SOAK, timeout } from "../faults/form.ts"
import { descriptors, residentBytes } from "../faults/Proc.ts"
import * as Relay from "../faults/Relay.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** In each round, to each port, for each way to leave: without a byte, with the first few, and with bytes that are wrong. */
const CONNECTIONS = SOAK ? 150 : 20
const CONNECTIONS_THAT_SPEAK = SOAK ? 50 : 6

/** The long form: 306,000 connections to four servers. */
const ROUNDS = SOAK ? 34 : 1

/** What is loaded on demand is loaded, and the young generation of the heap has grown as far as it will. */
const ROUNDS_BEFORE = SOAK ? 4 : 1

/** Under way at the same time, so that the kernel's backlog holds them. */
const AT_ONCE = 64

/** Where visitors come from: an address that may be a load balancer's. */
const VISITORS = "127.0.0.2"

/** "end, reset": the reset meets the goodbye. */
type Leaving = "reset" | "end" | "end, reset"

/** Connects, says `first`, leaves, and has left. */
const visit = (port: number, leaving: Leaving, first: string) =>
  new Promise<void>((resolve) => {
    const socket = Net.connect({ port, host: "127.0.0.1", localAddress: VISITORS }, () => {
      if (first !== "") socket.write(first, "latin1")
      if (leaving === "reset") socket.resetAndDestroy()
      else socket.end(leaving === "end, reset" ? () => socket.resetAndDestroy() : undefined)
    })
    // The server may have reset it first.
    socket.on("error", () => {}).on("close", () => resolve())
    socket.resume()
  })

const visits = (port: number, leaving: Leaving, first: string) =>
  Effect.promise(async () => {
    let left = first === "" ? CONNECTIONS : CONNECTIONS_THAT_SPEAK
    const some = async () => {
      while (left-- > 0) await visit(port, leaving, first)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, some))
  })

/** Waits until a figure of the metrics page is this one. */
const metricIs = (url: string, name: string, wanted: number) => {
  const look = Effect.promise(async () => {
    // A connection that is kept would be among the descriptors.
    const page = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text()
    return page.split("\n").find((line) => line.startsWith(`${name} `)) === `${name} ${wanted}`
  })
  return Effect.gen(function* () {
    while (!(yield* look)) yield* Effect.sleep(100)
  }).pipe(
    Effect.timeoutOrElse({
      duration: "120 seconds",
      orElse: () => Effect.die(new Error(`${name} was never ${wanted}`))
    })
  )
}

const HEAP_PROBE = new URL("../support/programs/HeapProbe.ts", import.meta.url)

/** What a relay thread may keep, in bytes: code that is compiled late. */
const KEPT_BYTES = 2 * 1024 * 1024

/** What all threads hold without their garbage, in bytes, when that is asked for the `round`th time. */
const usedHeap = (server: Cli.Running, workers: number, round: number) => {
  const heaps = () =>
    Array.from(server.output().matchAll(new RegExp(`^heap ${round}: (\\d+)$`, "gm")), ([, bytes]) => Number(bytes))
  // Beside several relay threads runs the main thread.
  const threads = workers > 1 ? workers + 1 : 1
  return Effect.sync(() => server.process.kill("SIGUSR2")).pipe(
    Effect.andThen(
      Relay.eventually(
        () => heaps().length === threads,
        () => `${threads} heaps instead of ${heaps().length}`
      )
    ),
    Effect.map(() => heaps().reduce((sum, bytes) => sum + bytes, 0))
  )
}

/** No UTF-8, no HTTP, no TLS, no PROXY header. */
const WRONG = "\xff\n"

const CLIENT_HELLO_BEGINS = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

const GET = "GET / HTTP/1.1\r\n"

interface Subject {
  readonly workers: number
  readonly profile: "rust" | "python"
  /** With what its first bytes begin. */
  readonly begins: string
  readonly extra: string
}

const servers: ReadonlyArray<Subject> = [
  ...(SOAK ? ([{ workers: 1, profile: "rust", begins: GET, extra: "nothing" }] as const) : []),
  { workers: SOAK ? 2 : 1, profile: "python", begins: GET, extra: "nothing" },
  { workers: 2, profile: "rust", begins: "PROXY UNKNOWN\r\n", extra: "a load balancer" },
  ...(Certificates.hasOpenssl
    ? ([{ workers: 2, profile: "rust", begins: CLIENT_HELLO_BEGINS, extra: "TLS" }] as const)
    : [])
]

describe.skipIf(process.platform !== "linux" || availableParallelism() < 2).concurrent.each(servers)(
  "a server with $workers worker(s), the $profile profile and $extra in front",
  ({ begins, extra, profile, workers }) => {
    it.live(
      "outlives connections that end as soon as they are made, keeps nothing of them, and counts none as a client",
      () =>
        Effect.gen(function* () {
          const certificates = extra === "TLS" ? yield* Certificates.make : undefined
          const tls = certificates?.client()
          const config = {
            version: profile,
            hyper_parameters: {
              worker_threads: workers,
              trusted_proxies: extra === "a load balancer" ? [VISITORS] : []
            },
            ...(certificates && { tls: certificates.config }),
            websocket: { port: 0 },
            admin: { port: 0 }
          }
          const cwd = yield* Directory.make({ "server.json": config })
          const server = yield* Cli.listening([], { cwd, env: { NODE_OPTIONS: `--import=${HEAP_PROBE.href}` } })
          const [, webSocketPort] = yield* server.printed(/wss?:\/\/127\.0\.0\.1:(\d+)/)
          const [, url] = yield* server.printed(/admin on (http:\S+)/)
          const ports = [server.port, Number(webSocketPort), Number(new URL(url!).port)]
          const round = Effect.gen(function* () {
            for (const port of ports) {
              for (const leaving of ["reset", "end", "end, reset"] as const) {
                for (const first of ["", begins, WRONG]) yield* visits(port, leaving, first)
              }
            }
            yield* metricIs(url!, "summoner_clients", 0)
          })
          const pid = server.process.pid!
          yield* Effect.repeat(round, { times: ROUNDS_BEFORE - 1 })
          const [before, memory] = [descriptors(pid).length, residentBytes(pid)]
          const heapBefore = yield* usedHeap(server, workers, 1)
          yield* Effect.repeat(round, { times: ROUNDS - 1 })
          yield* Relay.eventually(
            () => descriptors(pid).length <= before,
            () => `${before} descriptors again, of ${descriptors(pid).length}`
          )
          const growth = residentBytes(pid) - memory
          const heap = yield* usedHeap(server, workers, 2)
          yield* Relay.measured(`${workers} thread(s), ${profile}, ${extra} in front`, {
            connections: ROUNDS * ports.length * 3 * (CONNECTIONS + 2 * CONNECTIONS_THAT_SPEAK),
            "descriptors before": before,
            "and after": descriptors(pid).length,
            "memory before (MiB)": Relay.mib(memory),
            "and after (MiB)": Relay.mib(memory + growth),
            "without garbage before (MiB)": Relay.mib(heapBefore),
            "without garbage after (MiB)": Relay.mib(heap)
          })
          assert.isBelow(heap - heapBefore, workers * KEPT_BYTES)
          assert.isBelow(growth, workers * bounds.slackBytes)
          const connect = TcpClient.connect(server.port, tls && { tls })
          const [one, two] = [yield* connect, yield* connect]
          yield* TcpClient.settled(one, two)
          yield* metricIs(url!, "summoner_clients", 2)
          if (workers > 1) {
            yield* metricIs(url!, "summoner_workers", workers)
            yield* metricIs(url!, "summoner_worker_restarts_total", 0)
          }
          assert.notMatch(server.output(), /has ended|ERROR/)
        }),
      timeout * ROUNDS
    )
  }
)
