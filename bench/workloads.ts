import { logging, maxConnections, type Contestant, type Measurement } from "./servers.ts"

/** One repetition: what each server did, by its name. */
export type Round = Readonly<Record<string, Measurement>>

export interface Goal {
  readonly text: string
  /** What is measured; `undefined` where the server to compare with is not there. */
  readonly value: (rounds: ReadonlyArray<Round>) => number | undefined
  readonly unit: string
  readonly isMet: (value: number) => boolean
}

export interface Workload {
  readonly key: string
  readonly title: string
  /** Arguments of the load generator. */
  readonly load: (contestant: Contestant, seconds: number) => string
  /** What the ratios are of. */
  readonly compared: Metric
  /** Ours first; by default beside the limit, NATS and Redis. */
  readonly contestants?: () => ReadonlyArray<Contestant>
  readonly goals: ReadonlyArray<Goal>
}

export interface Metric {
  readonly name: string
  /** In the columns of ratios. */
  readonly short?: string
  readonly of: (measurement: Measurement) => number
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median of what a server did in each round. */
export const valueOf = (rounds: ReadonlyArray<Round>, server: string, { of }: Metric): number | undefined => {
  const measured = rounds.flatMap((round) => round[server] ?? [])
  return measured.length === 0 ? undefined : median(measured.map(of))
}

/** The median of the ratios within each round: a machine that is slow for a while is slow for both. */
export const ratioOf = (
  rounds: ReadonlyArray<Round>,
  server: string,
  other: string,
  { of }: Metric
): number | undefined => {
  const ratios = rounds.flatMap((round) => {
    const [a, b] = [round[server], round[other]]
    return a === undefined || b === undefined || of(b) === 0 ? [] : of(a) / of(b)
  })
  return ratios.length === 0 ? undefined : median(ratios)
}

const deliveries: Metric = { name: "deliveries/s", short: "speed", of: (m) => m.deliveries_per_sec }
const cpu: Metric = { name: "CPU µs/delivery", short: "CPU", of: (m) => m.srv_cpu_us_per_delivery }
const p99: Metric = { name: "p99", of: (m) => m.lat_us.p99 }
const longest: Metric = { name: "longest delivery", short: "longest", of: (m) => m.lat_us.max / 1000 }
const memory: Metric = { name: "RSS", of: (m) => m.rss_max_kb / 1024 }
const growth: Metric = { name: "RSS above start", of: (m) => (m.rss_max_kb - m.rss_before_kb) / 1024 }
const cores: Metric = { name: "cores", of: (m) => (m.srv_cpu_user_s + m.srv_cpu_sys_s) / m.elapsed_s }
const lost: Metric = { name: "lost", of: (m) => m.lost }

const atLeast = (metric: Metric, factor: number, other: string): Goal => ({
  text: `${metric.name} ≥ ${factor} × ${other}`,
  unit: "×",
  value: (rounds) => ratioOf(rounds, "ours", other, metric),
  isMet: (value) => value >= factor
})
const atMost = (metric: Metric, factor: number, other: string): Goal => ({
  ...atLeast(metric, factor, other),
  text: `${metric.name} ≤ ${factor} × ${other}`,
  isMet: (value) => value <= factor
})
const within = (metric: Metric, bound: number, unit: string): Goal => ({
  text: `${metric.name} ≤ ${bound} ${unit}`.trimEnd(),
  unit,
  value: (rounds) => valueOf(rounds, "ours", metric),
  isMet: (value) => value <= bound
})

/** Redis has no way to leave a publisher out: there, senders are connections of their own that do not receive. */
const everybodySends = ({ protocol }: Contestant, clients: number) =>
  protocol === "redis" ? `--receivers ${clients} --senders ${clients}` : `--receivers 0 --senders ${clients}`
/** Before a measurement: how long V8 takes to compile what a load needs, beside it on the same core. */
const WARMUP_SECONDS = 3

/** Clients that all send and receive, and as many that only receive. */
const eachWay = ({ protocol }: Contestant, clients: number, bytes: number) =>
  `--receivers ${protocol === "redis" ? 2 * clients : clients} --senders ${clients} --size ${bytes} --window 256 --warmup ${WARMUP_SECONDS}`

/** A room in which a line goes to few: what a line costs counts, not what a delivery does. */
const smallRoom = (key: string, title: string, load: (contestant: Contestant) => string): Workload => ({
  key,
  title,
  load: (contestant, seconds) => `${load(contestant)} --json --duration ${seconds}`,
  compared: deliveries,
  goals: [
    atLeast(deliveries, 0.85, "limit"),
    atLeast(deliveries, 1, "nats"),
    atLeast(deliveries, 1, "redis"),
    atMost(p99, 2, "limit")
  ]
})
const oneToSome = (receivers: number, bytes: number) => () =>
  `--receivers ${receivers} --senders 1 --size ${bytes} --window 256 --warmup ${WARMUP_SECONDS}`

/** The typical rooms: agents that send each other JSON. */
const SMALL_ROOMS: ReadonlyArray<Workload> = [
  smallRoom("F", "1 → 8, agent JSON of 1 KiB", oneToSome(8, 1024)),
  ...[256, 1024].flatMap((bytes) =>
    [1, 2, 4].map((clients) =>
      clients === 1
        ? smallRoom(`1-${bytes}`, `1 → 1, agent JSON of ${bytes} B`, oneToSome(1, bytes))
        : smallRoom(`${clients}-${bytes}`, `${clients} ↔ ${clients}, agent JSON of ${bytes} B`, (contestant) =>
            eachWay(contestant, clients, bytes)
          )
    )
  ),
  smallRoom("1-8192", "1 → 1, agent JSON of 8 KiB", oneToSome(1, 8192)),
  smallRoom("8-8192", "1 → 8, agent JSON of 8 KiB", oneToSome(8, 8192))
]

/** The same load with every message logged. */
const withLog = ({ key, load, title }: Workload): Workload => ({
  key: `${key}-log`,
  title: `${title}, each logged`,
  load,
  compared: deliveries,
  contestants: logging,
  goals: [atLeast(deliveries, 0.5, "unlogged")]
})

const EIGHT_AGENTS: Workload = {
  key: "E",
  title: "8 ↔ 8, agent JSON of 1 KiB",
  load: (contestant, seconds) => `${eachWay(contestant, 8, 1024)} --json --duration ${seconds}`,
  compared: deliveries,
  goals: [atLeast(deliveries, 0.85, "limit"), atMost(p99, 2, "limit")]
}

export const WORKLOADS: ReadonlyArray<Workload> = [
  {
    key: "A",
    title: "bulk, 1 → 50, 128 B",
    load: (_, seconds) =>
      `--receivers 50 --senders 1 --size 128 --window 2048 --warmup ${WARMUP_SECONDS} --duration ${seconds}`,
    compared: deliveries,
    goals: [atLeast(deliveries, 0.85, "limit"), atLeast(deliveries, 2.3, "redis")]
  },
  {
    // Without a window, only the server holds the sender back.
    key: "A0",
    title: "the same, sender unpaced",
    load: (_, seconds) => `--receivers 50 --senders 1 --size 128 --duration ${seconds}`,
    compared: deliveries,
    goals: [atLeast(deliveries, 0.7, "limit"), within(lost, 0, ""), within(memory, 150, "MB")]
  },
  EIGHT_AGENTS,
  ...SMALL_ROOMS,
  withLog(EIGHT_AGENTS),
  withLog(SMALL_ROOMS[0]!),
  {
    key: "P",
    title: "8 ↔ 8, plain text of 1 KiB",
    load: (contestant, seconds) => `${eachWay(contestant, 8, 1024)} --duration ${seconds}`,
    compared: deliveries,
    goals: []
  },
  {
    key: "C",
    title: "1 → 100, one message per ms",
    load: (_, seconds) =>
      `--receivers 100 --senders 1 --size 128 --rate 1000 --warmup ${WARMUP_SECONDS} --duration ${seconds}`,
    compared: cpu,
    goals: [atMost(cpu, 1.15, "limit"), atMost(p99, 1.5, "limit")]
  },
  {
    // Long enough for every server to give up on the one that does not read.
    key: "slow",
    title: "one client never reads, 4,000 × 1 KiB/s to 10 others",
    load: (_, seconds) =>
      `--receivers 10 --senders 1 --slow 1 --size 1024 --rate 4000 --duration ${Math.max(seconds, 10)}`,
    compared: longest,
    goals: [within(longest, 150, "ms"), within(growth, 66, "MB")]
  },
  {
    key: "crowd",
    title: "1,000 clients, each 1 line/s",
    load: (contestant, seconds) =>
      `${everybodySends(contestant, 1000)} --size 128 --rate 1 --warmup 2 --duration ${Math.max(seconds, 4)}`,
    compared: cpu,
    goals: [within(cores, 0.5, "cores"), within({ name: "p99", of: (m) => m.lat_us.p99 / 1000 }, 10, "ms")]
  }
]

/** 10,000, or as many as there may be open files. */
export const IDLE_CONNECTIONS = Math.min(10_000, maxConnections)
export const idleKilobytes: Metric = {
  name: "KB of RSS per connection",
  short: "RSS",
  of: (m) => (m.rss_idle_kb - m.rss_before_kb) / (IDLE_CONNECTIONS + 1)
}
export const secondsToConnect: Metric = { name: "seconds to connect", of: (m) => m.accepted_s }
export const longestConnect: Metric = { name: "longest connect", of: (m) => m.connect_max_s * 1000 }

/** Two messages at the end show that every connection works. */
export const IDLE: Workload = {
  key: "idle",
  title: `${IDLE_CONNECTIONS} idle connections`,
  load: () => `--receivers ${IDLE_CONNECTIONS} --senders 1 --settle 1 --size 128 --count 2 --rate 1 --no-probe`,
  compared: idleKilobytes,
  goals: [
    within(idleKilobytes, 12, "KB"),
    within(secondsToConnect, 3, "s"),
    // A connection that finds the backlog full is tried again after a second.
    within(longestConnect, 500, "ms")
  ]
}
