import * as Layer from "effect/Layer"
import { Quarantine } from "../limits/Quarantine.ts"

/**
 * A quarantine that nobody leaves by waiting: five seconds are always left.
 *
 * @param keys who is kept out from the beginning: IP addresses
 */
export const layer = (keys: Iterable<string> = []): Layer.Layer<Quarantine> =>
  Layer.sync(Quarantine, () => {
    const kept = new Set(keys)
    return Quarantine.of({
      addUnsafe: ({ ip }) => void kept.add(ip),
      addKeyUnsafe: (key) => void kept.add(key),
      cooldownMillisUnsafe: () => REMAINING_MILLIS,
      liftUnsafe: (key) => kept.delete(key),
      listUnsafe: () => Array.from(kept, (key) => ({ key, remainingMillis: REMAINING_MILLIS })),
      remainingMillisUnsafe: ({ ip }) => (kept.has(ip) ? REMAINING_MILLIS : 0),
      scope: "ip",
      sizeUnsafe: () => kept.size
    })
  })

const REMAINING_MILLIS = 5000
