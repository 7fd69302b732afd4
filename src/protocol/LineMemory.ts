/**
 * Memory for incomplete lines, which later ones use again: nearly every read from a busy client ends within a line. Its size is a power of
 * two; each thread keeps one of each size.
 */
import { releaseMemory } from "../internal/releaseMemory.ts"

const SMALLEST_BYTES = 1024

/** The largest that is kept. Longer lines get what they need, and the system gets it back. */
const LARGEST_BYTES = 64 * 1024

const spares = new Map<number, Buffer<ArrayBuffer> | undefined>()

/** Memory of `bytes` or more, with any content. */
export const takeMemory = (bytes: number): Buffer<ArrayBuffer> => {
  if (bytes > LARGEST_BYTES) return Buffer.allocUnsafeSlow(bytes)
  const size = bytes <= SMALLEST_BYTES ? SMALLEST_BYTES : 2 ** (32 - Math.clz32(bytes - 1))
  const spare = spares.get(size)
  if (spare === undefined) return Buffer.allocUnsafeSlow(size)
  // `delete` would cost garbage.
  spares.set(size, undefined)
  return spare
}

/** Keeps `memory` for another line. The caller must not touch it again. */
export const giveMemory = (memory: Buffer<ArrayBuffer>): void => {
  if (memory.length > LARGEST_BYTES) releaseMemory(memory)
  else if (memory.length > 0) spares.set(memory.length, memory)
}
