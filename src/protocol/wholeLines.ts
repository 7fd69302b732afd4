const LINE_FEED = 0x0a

/**
 * Counts lines.
 *
 * @param maxLineBytes the longest line, with its line feed
 * @returns `undefined` unless `bytes` is one or more whole lines of at most that length
 */
export const wholeLines = (bytes: Uint8Array, maxLineBytes: number): number | undefined => {
  if (bytes.length === 0 || bytes.at(-1) !== LINE_FEED) return undefined
  let lines = 0
  for (let start = 0; start < bytes.length; lines++) {
    const next = bytes.indexOf(LINE_FEED, start) + 1
    if (next - start > maxLineBytes) return undefined
    start = next
  }
  return lines
}
