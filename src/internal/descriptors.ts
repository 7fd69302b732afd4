import * as Effect from "effect/Effect"
import { fstatSync, readFileSync, write } from "node:fs"
import { isatty } from "node:tty"

/**
 * Whether Node.js writes to a standard stream without blocking. To files and devices it writes synchronously, ignores that only a part
 * was taken, and gives up on a full disk; what goes to a directory it discards.
 */
export const isStream = (fd: number): boolean => {
  const stats = fstatSync(fd)
  return stats.isFIFO() || stats.isSocket() || isatty(fd)
}

/** Writes all bytes, or fails with the error of the system. What was written before it is not written again when this is retried. */
export const writeAll = (fd: number, bytes: Buffer): Effect.Effect<void, NodeJS.ErrnoException> => {
  let rest = bytes
  return Effect.callback<void, NodeJS.ErrnoException>((resume) => {
    const next = () => {
      if (rest.length === 0) return resume(Effect.void)
      write(fd, rest, (error, written) => {
        if (error !== null) return resume(Effect.fail(error))
        rest = rest.subarray(written)
        next()
      })
    }
    next()
  })
}

/** How many files this process may have open, where the system tells; else `Infinity`. */
export const descriptorLimit = (): number => {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))
    return limit === null ? Infinity : Number(limit[1])
  } catch {
    return Infinity
  }
}
