/** A server of several threads in the process of the tests, which can have one of them crash or hang. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { setEnvironmentData } from "node:worker_threads"
import { builtFile } from "../../src/internal/built.ts"
import { ThreadEntry } from "../../src/threads/Thread.ts"
import { ENTRY, type Fault, FaultMemory, FAULTS, MEMORY } from "./ThreadFaults.ts"
import * as Server from "./Server.ts"
import * as TcpClient from "./TcpClient.ts"

/** Limits that no test should meet by chance. */
export const OPEN = {
  rate_limit_msgs_per_minute: 1_000_000,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }
}

const memory = new FaultMemory()
setEnvironmentData(MEMORY, memory.buffer)
setEnvironmentData(ENTRY, builtFile("RelayThread.js").href)

const write = (array: Int32Array, index: number, value: number) => {
  Atomics.store(array, index, value)
  Atomics.notify(array, index)
}

interface Config {
  readonly hyper_parameters?: object
  readonly [group: string]: unknown
}

const withChange = (config: Config, change: Config): Config => ({
  ...config,
  ...change,
  hyper_parameters: { ...config.hyper_parameters, ...change.hyper_parameters }
})

/** Starts a server of two threads, unless the configuration says otherwise. */
export const start = Effect.fnUntraced(function* (given: Config = {}, setup?: { readonly startsClosed: boolean }) {
  const config = withChange({ hyper_parameters: { worker_threads: 2, ...OPEN } }, given)
  const entry = new URL("../threads/FragileThread.ts", import.meta.url)
  const server = yield* Server.start(config, setup).pipe(Effect.provideService(ThreadEntry, entry))
  const { lines, port, relay } = server

  /** Which clients each thread has. */
  const byThread = Effect.map(relay.cluster.clients, ({ clients }) =>
    [0, 1].map((index) => clients.filter(({ relay }) => relay === `worker ${index + 1}`))
  )

  /** Of which thread a client is, once one has it. */
  const threadOf = ({ address }: TcpClient.TcpClient) =>
    is(
      Effect.map(byThread, (threads) => threads.findIndex((clients) => clients.some((it) => it.address === address))),
      (index) => index >= 0
    )

  /** A client of one thread, once that listens. */
  const joinThread = Effect.fnUntraced(function* (index: number) {
    while (true) {
      const client = yield* TcpClient.connect(port)
      if ((yield* threadOf(client)) === index) return client
      client.socket.destroy()
      yield* Effect.sleep(20)
    }
  })

  /** Connects clients until each thread has as many as this, or more; all hear each other. By thread. */
  const room = Effect.fnUntraced(function* (each: number) {
    const threads: readonly [Array<TcpClient.TcpClient>, Array<TcpClient.TcpClient>] = [[], []]
    const clients = yield* Effect.all(Array.from({ length: 2 * each }, () => TcpClient.connect(port)))
    for (const client of clients) threads[yield* threadOf(client)]!.push(client)
    // One that is just starting has none of these.
    for (const [index, those] of threads.entries()) {
      while (those.length < each) those.push(yield* joinThread(index))
    }
    const all = threads.flat()
    yield* is(relay.clients, ({ length }) => length === all.length)
    yield* settle(all)
    return threads
  })

  const fail = (index: number, fault: Fault) =>
    Effect.sync(() => write(memory.faults, index, FAULTS.indexOf(fault) + 1))

  /** Has a thread hang, until what this returns. */
  const hang = (index: number) =>
    Effect.as(
      Effect.andThen(
        Effect.sync(() => Atomics.store(memory.ends, index, 0)),
        fail(index, "hang")
      ),
      Effect.sync(() => write(memory.ends, index, 1))
    )

  const crashes = (index: number) =>
    lines.filter((line) => line.startsWith(`ERROR worker ${index + 1} has ended`)).length

  /** Has a thread crash that has clients; then the server knows that it has ended. */
  const crash = Effect.fnUntraced(function* (index: number, fault: "throw" | "exhaust" = "throw") {
    const before = crashes(index)
    yield* fail(index, fault)
    yield* Server.until(() => crashes(index) > before)
  })

  return {
    ...server,
    joinThread,
    crash,
    byThread,
    /** Takes over other values of some keys, or those that it was started with. */
    reload: (change: Config = {}) => server.reload(withChange(config, change)),
    fail,
    hang,
    room,
    /** Waits until nobody is connected. */
    empty: is(relay.clients, (clients) => clients.length === 0)
  }
})

/** Looks until something is so, and returns it. A look asks the threads, so that looks without a pause would keep them busy. */
export const is = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (found: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.repeat(look, { until: isSo, schedule: Schedule.spaced("10 millis") })

/** Waits until all hear each other. */
export const settle = Effect.fnUntraced(function* (clients: ReadonlyArray<TcpClient.TcpClient>) {
  const [first, ...others] = clients
  // A line of the first reaches all only once all are in the room.
  for (const other of others) yield* TcpClient.settled(first!, other)
  for (const client of others) {
    client.send("settled\n")
    for (const other of clients) {
      if (other !== client) while ((yield* other.line) !== TcpClient.envelope(client, "settled")) continue
    }
  }
})
