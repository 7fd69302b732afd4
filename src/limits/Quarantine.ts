import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { background } from "../internal/background.ts"
import { monotonicMillis } from "../internal/monotonicClock.ts"
import { repeatEvery } from "../internal/repeatEvery.ts"

/**
 * The most clients in quarantine at once. Above it the oldest is released early: whoever owns more addresses than this is
 * not stopped by a list of them, and must not be able to fill the memory with it.
 */
export const MAX_ENTRIES = 65_536

/** What identifies a client that comes back. */
export interface Suspect {
  /** `ip:port` */
  readonly address: string
  /** The IP address alone, the same for IPv4 and IPv4-mapped IPv6. */
  readonly ip: string
}

/** Somebody who is kept out. */
export interface Entry {
  /** The IP address, or, where `quarantine_scope` is `"address"`, `ip:port`. */
  readonly key: string
  readonly remainingMillis: number
}

/**
 * Keeps clients out that the server has force-disconnected (docs/operations.md).
 * Whoever is connected already stays.
 */
export class Quarantine extends Context.Service<
  Quarantine,
  {
    /** Keeps the client out for `quarantine_cooldown_secs` from now on. */
    readonly addUnsafe: (client: Suspect) => void
    /** How much longer the client has to stay out, in milliseconds; 0 if it may come in. */
    readonly remainingMillisUnsafe: (client: Suspect) => number
    /**
     * Keeps out who has this key, as `addUnsafe` does.
     *
     * @param millis for how long, if not for `quarantine_cooldown_secs`
     */
    readonly addKeyUnsafe: (key: string, millis?: number) => void
    /** Lets in again who has this key. `false`: it was not kept out. */
    readonly liftUnsafe: (key: string) => boolean
    /** Who is kept out, and for how much longer, in milliseconds. */
    readonly listUnsafe: () => ReadonlyArray<Entry>
    /** For how long whoever is sent away now is kept out, in milliseconds. 0: not at all. */
    readonly cooldownMillisUnsafe: () => number
    /** What a key is: an IP address, or `ip:port`. `undefined`: nobody is ever kept out. */
    readonly scope: "ip" | "address" | undefined
    /** How many are kept out. */
    readonly sizeUnsafe: () => number
  }
>()("summoner-server/Quarantine") {
  /** Remembers whoever was sent away, for `quarantine_cooldown_secs`. */
  static readonly layer = Layer.effect(
    Quarantine,
    Effect.gen(function* () {
      const { hyper_parameters } = yield* ServerConfig
      const { quarantine_scope } = hyper_parameters
      const clock = yield* Clock.Clock
      const keyOf = (client: Suspect) => (quarantine_scope === "ip" ? client.ip : client.address)
      /** When each may come back, in milliseconds. Who was added last comes last. */
      const releases = new Map<string, number>()
      /** Since the last sweep. */
      let releasedEarly = 0

      const sweep = Effect.gen(function* () {
        if (releasedEarly > 0) {
          const early = releasedEarly
          releasedEarly = 0
          yield* Effect.logWarning(`quarantine full (${MAX_ENTRIES}): ${early} released early`)
        }
        const now = monotonicMillis(clock)
        const before = releases.size
        for (const [key, release] of releases) {
          if (release <= now) releases.delete(key)
        }
        const released = before - releases.size
        if (released > 0) yield* Effect.logInfo(`quarantine swept: ${released} released, ${releases.size} left`)
      })
      yield* background(
        "the quarantine is no longer swept",
        repeatEvery(() => hyper_parameters.quarantine_cleanup_interval_secs, sweep)
      )

      const cooldownMillisUnsafe = () => hyper_parameters.quarantine_cooldown_secs * 1000

      const addKeyUnsafe = (key: string, millis = cooldownMillisUnsafe()) => {
        releases.delete(key)
        if (millis <= 0) return
        const now = monotonicMillis(clock)
        releases.set(key, now + millis)
        if (releases.size > MAX_ENTRIES) {
          const [oldest, release] = releases.entries().next().value!
          releases.delete(oldest)
          if (release > now) releasedEarly++
        }
      }

      const listUnsafe = () => {
        const now = monotonicMillis(clock)
        return Array.from(releases, ([key, release]) => ({ key, remainingMillis: release - now })).filter(
          ({ remainingMillis }) => remainingMillis > 0
        )
      }

      const sizeUnsafe = () => {
        const now = monotonicMillis(clock)
        let size = 0
        for (const release of releases.values()) if (release > now) size++
        return size
      }

      return Quarantine.of({
        addUnsafe: (client) => addKeyUnsafe(keyOf(client)),
        addKeyUnsafe,
        cooldownMillisUnsafe,
        liftUnsafe: (key) => {
          const remaining = (releases.get(key) ?? 0) - monotonicMillis(clock)
          return releases.delete(key) && remaining > 0
        },
        listUnsafe,
        scope: quarantine_scope,
        remainingMillisUnsafe: (client) => {
          if (releases.size === 0) return 0
          return Math.max(0, (releases.get(keyOf(client)) ?? 0) - monotonicMillis(clock))
        },
        sizeUnsafe
      })
    })
  )

  /** Keeps nobody out. */
  static readonly layerDisabled = Layer.succeed(Quarantine, {
    addUnsafe: () => {},
    addKeyUnsafe: () => {},
    cooldownMillisUnsafe: () => 0,
    liftUnsafe: () => false,
    listUnsafe: () => [],
    scope: undefined,
    remainingMillisUnsafe: () => 0,
    sizeUnsafe: () => 0
  })
}
