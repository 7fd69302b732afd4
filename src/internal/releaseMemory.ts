/**
 * Gives memory back now, instead of when it is collected: V8 collects the whole heap after some 20 MB of such memory (docs/decisions.md).
 * Node.js 20 leaves it to the collector.
 *
 * @param bytes are empty from now on, and so is all that shares their memory. The memory of a part stays as it is
 */
export const releaseMemory = (bytes: Uint8Array): void => {
  const memory: Transferable = bytes.buffer
  if (bytes.length === memory.byteLength) memory.transfer?.(0)
}

/**
 * As `releaseMemory`, for a chunk that a socket has read: with three quarters of the 64 KiB of a read or more, Node.js 26 leaves the rest
 * unused instead of copying the chunk to memory of its length. Buffers that share memory have at most half of it.
 */
export const releaseRead = (chunk: Uint8Array): void => {
  const memory: Transferable = chunk.buffer
  if (chunk.byteOffset === 0 && chunk.length >= memory.byteLength * 0.75) memory.transfer?.(0)
}

/** What is used of a later `ArrayBuffer`. */
interface Transferable {
  readonly byteLength: number
  readonly transfer?: (byteLength: number) => unknown
}
