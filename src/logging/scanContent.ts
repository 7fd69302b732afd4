import { instantiate, type Simd, SPARE_BYTES } from "../protocol/simd.ts"

/** What a log has to know of a content. */
export interface Scan {
  /** Whether it is JSON, so that a JSON line can hold it as it is. */
  readonly isJson: boolean
  /** Whether nothing in it has to be escaped; `false` if that is not known. */
  readonly isPlain: boolean
}

/** Deeper JSON is logged as a string, because other parsers fail on the whole line. */
export const MAX_DEPTH = 100

/** What is where in the memory: the brackets and braces that are open, and the text. A character has three bytes at most. */
const TEXT_AT = 112
const LONGEST = 65_536
const MEMORY_BYTES = TEXT_AT + LONGEST * 3 + SPARE_BYTES

let scanner: { readonly simd: Simd; readonly memory: Buffer } | null | undefined

/** Once something is logged: a thread that logs nothing needs no memory for it. */
const start = () => {
  const instance = instantiate(MEMORY_BYTES)
  return instance === undefined ? null : { simd: instance.simd, memory: Buffer.from(instance.memory) }
}

const SCANS = [false, true].map((isJson) => [false, true].map((isPlain): Scan => ({ isJson, isPlain })))

/**
 * Scans a content sixteen bytes at a time, without building its values, for a third of the cost of `JSON.parse`.
 *
 * @param wantsJson whether it matters if it is JSON; else `isJson` is `false`
 * @returns `undefined` if it cannot tell: without WebAssembly, beyond 65,536 characters, and for JSON nested deeper than `MAX_DEPTH`
 */
export const scanContent = (content: string, wantsJson: boolean): Scan | undefined => {
  if (scanner === undefined) scanner = start()
  if (scanner === null || content.length > LONGEST) return undefined
  const { memory, simd } = scanner
  const length = memory.write(content, TEXT_AT)
  const isJson = wantsJson ? simd.isJson(TEXT_AT, length, 0, MAX_DEPTH) : 0
  return isJson === -1 ? undefined : SCANS[isJson]![simd.isPlain(TEXT_AT, length)]
}
