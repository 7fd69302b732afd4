import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { background } from "../internal/background.ts"
import { monotonicMillis, repeatEvery } from "../internal/time.ts"
import type { Quarantine, Suspect } from "./Quarantine.ts"
import { MAX_ENTRIES, type Releases } from "./Releases.ts"

/** A quarantine with this list, which it sweeps until the scope ends. */
export const makeQuarantine = Effect.fnUntraced(function* (releases: Releases) {
  const { hyper_parameters } = yield* ServerConfig
  const { quarantine_scope } = hyper_parameters
  const clock = yield* Clock.Clock
  const keyOf = (client: Suspect) => (quarantine_scope === "ip" ? client.ip : client.address)
  /** Since the last sweep. */
  let releasedEarly = 0

  const sweep = Effect.gen(function* () {
    if (releasedEarly > 0) {
      const early = releasedEarly
      releasedEarly = 0
      yield* Effect.logWarning(`quarantine full (${MAX_ENTRIES}): ${early} released early`)
    }
    const released = releases.sweep(monotonicMillis(clock))
    if (released > 0) yield* Effect.logInfo(`quarantine swept: ${released} released, ${releases.size} left`)
  })
  yield* background(
    "the quarantine is no longer swept",
    repeatEvery(() => hyper_parameters.quarantine_cleanup_interval_secs, sweep)
  )

  const cooldownMillisUnsafe = () => hyper_parameters.quarantine_cooldown_secs * 1000
  const remainingMillis = (release: number | undefined) => Math.max(0, (release ?? 0) - monotonicMillis(clock))

  const addKeyUnsafe = (key: string, millis = cooldownMillisUnsafe()) => {
    if (millis <= 0) return void releases.delete(key)
    const now = monotonicMillis(clock)
    const early = releases.set(key, now + millis)
    if (early !== undefined && early > now) releasedEarly++
  }

  return {
    addUnsafe: (client) => addKeyUnsafe(keyOf(client)),
    addKeyUnsafe,
    cooldownMillisUnsafe,
    liftUnsafe: (key) => remainingMillis(releases.delete(key)) > 0,
    listUnsafe: () => {
      const now = monotonicMillis(clock)
      return releases.list(now).map(({ key, release }) => ({ key, remainingMillis: release - now }))
    },
    scope: quarantine_scope,
    remainingMillisUnsafe: (client) => (releases.size === 0 ? 0 : remainingMillis(releases.get(keyOf(client)))),
    sizeUnsafe: () => releases.countAfter(monotonicMillis(clock))
  } satisfies Quarantine["Service"]
})
