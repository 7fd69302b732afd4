/**
 * Gives memory back now, instead of when it is collected: V8 collects the whole heap after some 20 MB of such memory (docs/decisions.md).
 * Node.js 20 leaves it to the collector.
 *
 * @param bytes are empty from now on, and so is all that shares their memory. The memory of a part stays as it is: Node.js 26 may give what
 * a read leaves of its 64 KiB to later reads with TLS
 */
export const releaseMemory = (bytes: Uint8Array): void => {
  const memory: Transferable = bytes.buffer
  if (bytes.length === memory.byteLength) memory.transfer?.(0)
}

/** What is used of a later `ArrayBuffer`. */
interface Transferable {
  readonly byteLength: number
  readonly transfer?: (byteLength: number) => unknown
}
