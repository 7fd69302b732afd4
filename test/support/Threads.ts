/** A server of several threads in the process of the tests, which can have one of them crash or hang. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { BroadcastChannel } from "node:worker_threads"
import { ThreadEntry } from "../../src/threads/Thread.ts"
import { type Fault, FAULTS } from "./ThreadFaults.ts"
import * as Server from "./Server.ts"
import * as TcpClient from "./TcpClient.ts"

/** Limits that no test should meet by chance. */
export const OPEN = {
  rate_limit_msgs_per_minute: 1_000_000,
  backpressure_policy: { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }
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
export const start = Effect.fnUntraced(function* (given: Config = {}) {
  const config = withChange({ hyper_parameters: { worker_threads: 2, ...OPEN } }, given)
  const entry = new URL("../threads/FragileThread.ts", import.meta.url)
  const server = yield* Server.start(config).pipe(Effect.provideService(ThreadEntry, entry))
  const channel = yield* Effect.acquireRelease(
    Effect.sync(() => new BroadcastChannel(FAULTS)),
    (channel) => Effect.sync(() => channel.close())
  )
  const { lines, port, relay } = server

  /** Which clients each thread has. */
  const byThread = Effect.map(relay.cluster.clients, ({ clients }) =>
    [0, 1].map((index) => clients.filter(({ relay }) => relay === `worker ${index + 1}`))
  )

  /** Connects clients, so many at least, until each thread has as many as this; all hear each other. By thread. */
  const room = Effect.fnUntraced(function* (each: number) {
    const clients: Array<TcpClient.TcpClient> = []
    while (true) {
      while (clients.length < 2 * each) clients.push(yield* TcpClient.connect(port))
      yield* settle(clients)
      const threads = yield* byThread
      const [first = [], second = []] = threads.map((listed) =>
        clients.filter((client) => listed.some(({ address }) => address === client.address))
      )
      if (first.length >= each && second.length >= each) return [first, second] as const
      clients.push(yield* TcpClient.connect(port))
    }
  })

  /** A client of one thread, once that listens. */
  const joinThread = Effect.fnUntraced(function* (index: number) {
    while (true) {
      const client = yield* TcpClient.connect(port)
      yield* is(relay.clients, (clients) => clients.some(({ address }) => address === client.address))
      if ((yield* byThread)[index]!.some(({ address }) => address === client.address)) return client
      client.socket.destroy()
      yield* Effect.sleep(20)
    }
  })

  const fail = (fault: Fault) => Effect.sync(() => channel.postMessage(fault))
  const crashes = (index: number) =>
    lines.filter((line) => line.startsWith(`ERROR worker ${index + 1} has ended`)).length

  /** Has a thread crash that has clients; then the server knows that it has ended. */
  const crash = Effect.fnUntraced(function* (index: number, kind: "throw" | "exhaust" = "throw") {
    const before = crashes(index)
    yield* fail({ index, kind })
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
