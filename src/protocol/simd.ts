import { WASM } from "./envelopeWasm.ts"

/** What `assembly/envelope.ts` exports. Addresses and lengths are in bytes. */
export interface Simd {
  readonly fillTable: () => void
  readonly encode: (
    target: number,
    limit: number,
    prefix: number,
    prefixLength: number,
    source: number,
    length: number
  ) => number
  readonly encodeLines: (
    target: number,
    stop: number,
    limit: number,
    prefix: number,
    prefixLength: number,
    source: number,
    length: number,
    most: number
  ) => number
  /** What `encodeLines` has encoded. */
  readonly lines: { readonly value: number }
  readonly linesEnd: { readonly value: number }
  readonly escapedLength: (source: number, length: number) => number
  readonly escape: (target: number, source: number, length: number) => number
  readonly isPlain: (source: number, length: number) => number
  readonly isJson: (source: number, length: number, levels: number, most: number) => number
}

/** A store of sixteen bytes writes up to so many behind what is written; as many behind a line are read. */
export const SPARE_BYTES = 16

const PAGE_BYTES = 64 * 1024

/** What is used of it: its types come with those of a browser only. Node.js can be run without it. */
declare const WebAssembly:
  | undefined
  | {
      readonly validate: (code: Uint8Array) => boolean
      readonly Module: new (code: Uint8Array) => object
      readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer }
      readonly Instance: new (module: object, imports: object) => { readonly exports: unknown }
    }

let module: object | undefined

/** An instance for memory of at least that size; `undefined` if this Node.js or this processor has no WebAssembly with SIMD. */
export const instantiate = (bytes: number): { readonly simd: Simd; readonly memory: ArrayBuffer } | undefined => {
  if (typeof WebAssembly === "undefined") return undefined
  if (module === undefined) {
    const code = Buffer.from(WASM, "base64")
    if (!WebAssembly.validate(code)) return undefined
    module = new WebAssembly.Module(code)
  }
  const pages = Math.ceil(bytes / PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const simd = new WebAssembly.Instance(module, { env: { memory } }).exports as Simd
  return { simd, memory: memory.buffer }
}
