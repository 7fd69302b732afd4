import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import * as Net from "node:net"

const UNPRIVILEGED = 1024

/** The first port that the system gives to whoever asks for any. */
const firstEphemeral = (): number => {
  try {
    return Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10)
  } catch {
    return 32_768
  }
}

const isFree = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const server = Net.createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })

/**
 * A free port that stays free while nobody listens on it: the system gives it to no other program, as it may with a port that
 * was listened on as 0. For servers that are started again.
 */
export const lasting: Effect.Effect<number> = Effect.gen(function* () {
  const first = firstEphemeral()
  // Where nearly all ports are ephemeral, those above them are no fewer.
  const from = first - UNPRIVILEGED > 1000 ? first - Math.min(20_000, first - UNPRIVILEGED) : 61_000
  const count = from < first ? first - from : 65_536 - from
  while (true) {
    const port = from + Math.floor(Math.random() * count)
    if (yield* isFree(port)) return port
  }
})
