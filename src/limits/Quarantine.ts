import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { makeQuarantine } from "./makeQuarantine.ts"
import { LocalReleases, MAX_ENTRIES } from "./Releases.ts"

/** What identifies a client that comes back. */
export type Suspect = Pick<ClientIdentity, "address" | "ip">

/** Somebody who is kept out. */
export interface Entry {
  /** The IP address, or, where `quarantine_scope` is `"address"`, `ip:port`. */
  readonly key: string
  readonly remainingMillis: number
}

/**
 * Keeps clients out that the server has force-disconnected (docs/operating.md).
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
    Effect.suspend(() => makeQuarantine(new LocalReleases(MAX_ENTRIES)))
  )

  /** Who is kept out. For a program that has made a quarantine itself; `RelayServer.quarantine` is that of a server. */
  static readonly list = Effect.map(Quarantine, ({ listUnsafe }) => listUnsafe())

  /**
   * Keeps out who has this key.
   *
   * @param key an IP address, or `ip:port`, as `scope` says
   * @param millis for how long, if not for `quarantine_cooldown_secs`
   */
  static readonly add = (key: string, millis?: number) =>
    Effect.map(Quarantine, ({ addKeyUnsafe }) => addKeyUnsafe(key, millis))

  /** Lets in again who has this key. `false`: it was not kept out. */
  static readonly lift = (key: string) => Effect.map(Quarantine, ({ liftUnsafe }) => liftUnsafe(key))

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
