import * as Layer from "effect/Layer"
import { Quarantine } from "../limits/Quarantine.ts"

/**
 * A quarantine without a clock: five seconds always remain.
 *
 * @param keys IP addresses that are quarantined from the beginning
 */
export const layer = (keys: Iterable<string> = []): Layer.Layer<Quarantine> =>
  Layer.sync(Quarantine, () => {
    const quarantined = new Set(keys)
    return Quarantine.of({
      addUnsafe: ({ ip }) => void quarantined.add(ip),
      addKeyUnsafe: (key) => void quarantined.add(key),
      cooldownMillisUnsafe: () => REMAINING_MILLIS,
      liftUnsafe: (key) => quarantined.delete(key),
      listUnsafe: () => Array.from(quarantined, (key) => ({ key, remainingMillis: REMAINING_MILLIS })),
      remainingMillisUnsafe: ({ ip }) => (quarantined.has(ip) ? REMAINING_MILLIS : 0),
      scope: "ip",
      sizeUnsafe: () => quarantined.size
    })
  })

const REMAINING_MILLIS = 5000
