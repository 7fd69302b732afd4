/**
 * How long and how hard the faults are: the quick form runs with every `npm test`, the long one with `SOAK=1`
 * (`npm run test:soak`) and is what docs/operating.md#protection quotes.
 */

/** Whether the long form runs. */
export const SOAK = process.env["SOAK"] === "1"

const form = <A>(quick: A, soak: A): A => (SOAK ? soak : quick)

const MIB = 1024 * 1024

/** What a relay may take. Times are printed and not judged: `npm run bench -- slow faults` judges them. */
export const bounds = {
  /** Memory above what is allowed to wait, in bytes: code, garbage, buffers of the runtime. */
  slackBytes: 50 * MIB,
  /** Read buffers that V8 lets gather in a thread before it collects any, in bytes: for bursts. */
  garbageBytes: 64 * MIB,
  /** A thread more: its heap, and its read buffers. */
  bytesPerThread: 96 * MIB,
  /** Memory above that for each client, in bytes. */
  bytesPerClient: 256 * 1024
}

/** Clients that never read. */
export const stalled = {
  lineBytes: 1024,
  /** Lines between two looks at whether the clients are evicted. */
  round: 500,
  readers: form(3, 10),
  lines: form(0, 80_000),
  // The low limit of the quick form is nearly full within the eviction grace, for which senders would wait.
  limits: form(
    { soft_limit_bytes: MIB / 4, hard_limit_bytes: 4 * MIB, eviction_grace_ms: 0 },
    { soft_limit_bytes: MIB, hard_limit_bytes: 32 * MIB }
  ),
  many: form(20, 100),
  manyLines: form(0, 80_000)
}

/** Clients that stop reading one after another, each that many lines after the one before. */
export const takingTurns = { clients: form(20, 50), everyLines: 100 }

/** An agent that thinks before it reads on: lines that it misses once the kernel holds no more, well below the hard limit. */
export const pause = { lineBytes: 40_000, round: 25, lines: form(50, 200) }

/** Backlogs that lose messages. */
export const dropping = {
  lineBytes: 1000,
  /** Lines between two looks at whether any is lost: far fewer than the hard limit. */
  round: 100,
  /** Lines after the first that is lost: several times the hard limit. */
  lines: form(3000, 100_000),
  limits: { soft_limit_bytes: 256 * 1024, hard_limit_bytes: MIB }
}

/**
 * Workload A0: one sender as fast as it can. More bytes for each receiver than the kernel and its backlog hold. In the quick
 * form the limits are low, so that it takes fewer. One process reads for all receivers, with pauses longer than the default
 * grace, which is the subject of other faults.
 */
export const fastest = form(
  {
    lineBytes: 128,
    receivers: 3,
    lines: 120_000,
    limits: { soft_limit_bytes: MIB / 4, hard_limit_bytes: 2 * MIB, stall_grace_ms: 10_000 },
    memoryBytes: 200 * MIB
  },
  {
    lineBytes: 128,
    receivers: 50,
    lines: 2_000_000,
    limits: { soft_limit_bytes: MIB, hard_limit_bytes: 16 * MIB, stall_grace_ms: 10_000 },
    memoryBytes: 200 * MIB
  }
)

/** A flood over the rate limit; the short lines earn more bytes of warnings than they have. */
export const flood = {
  bytes: form(7_000_000, 57_000_000),
  lineBytes: 100,
  /** Their warnings would take more memory than is allowed. */
  shortLinesBytes: form(18_000_000, 57_000_000),
  shortLineBytes: 20,
  linesPerMinute: 6000,
  everyMillis: 10
}

/** Lines that do not end. */
export const endless = {
  bytes: 50 * MIB,
  clients: 50,
  bytesEach: 4 * MIB
}

/** Bytes that are no protocol of ours. */
export const garbage = { bytes: form(100_000, 3_000_000) }

/** Connections that are reset. */
export const resets = {
  connections: form(100, 500),
  storm: form(30, 300),
  lines: form(4000, 100_000)
}

/** Everybody talks at once. */
export const crowd = form({ clients: 40, lines: 5 }, { clients: 1000, lines: 10 })

/** A shutdown in the middle of it all. Only what hangs meets the grace. */
export const shutdown = {
  rounds: form(1, 5),
  logRounds: form(1, 20),
  graceMillis: 120_000,
  busyLines: form(2000, 50_000)
}

/** A server that is killed. */
export const killed = { rounds: form(1, 5), lines: form(2000, 20_000) }

/** A burst in one segment. */
export const burst = form({ lines: 6, delayMillis: 50 }, { lines: 20, delayMillis: 300 })

/** How long a test may take, in milliseconds: only one that hangs takes as long. */
export const timeout = 180_000

/** Bursts that two clients may send around the turn of their rate windows: each twice 300 lines, as long as lines may be. */
export const healthyReaders = {
  // In the quick form twice the hard limit.
  lines: form(75, 1196),
  /** What readers take, in bytes a second. */
  speeds: form([8_000_000, 24_000_000], [2_000_000, 4_000_000, 12_000_000]),
  /** In the quick form a machine that is busy elsewhere may keep readers waiting for longer than the default grace. */
  limits: form({ slow_consumer: { hard_limit_bytes: 2 * MIB, eviction_grace_ms: 60_000 } }, {}),
  /** Those of two relay threads, one of which such a machine may keep from reading the burst of the other. */
  limitsOfTwo: form({ slow_consumer: { hard_limit_bytes: 8 * MIB, eviction_grace_ms: 60_000 } }, {}),
  /** Those of a room with a client that is to be evicted. */
  evictingLimits: form({ slow_consumer: { hard_limit_bytes: 2 * MIB } }, {})
}
