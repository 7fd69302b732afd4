import * as Envelope from "../src/protocol/Envelope.ts"
import { EnvelopeBuffer } from "../src/protocol/EnvelopeBuffer.ts"
import { table } from "./table.ts"

const ROUNDS = 50
const BYTES_PER_ROUND = 2 * 1024 * 1024
/** As much as Node.js reads at once. */
const CHUNK_BYTES = 60 * 1024

const json = (bytes: number) => {
  const items: Array<object> = []
  const text = () => JSON.stringify({ _version: "1.3.0", _payload: { from: "agent-7f3a", to: null, items } })
  while (text().length < bytes) items.push({ sku: "A-0037", qty: 2, price: 13.25, note: 'say "ok" or decline' })
  return text()
}

const LINES: Record<string, string> = {
  "plain text, 16 B": "hello there abcd",
  "plain text, 128 B": "abcdefghijklmnopqrstuvwxyz012345".repeat(4),
  "plain text, 1 KiB": "abcdefghijklmnopqrstuvwxyz012345".repeat(32),
  "agent JSON, 1 KiB": json(1024),
  "quotes and backslashes only, 1 KiB": '"\\'.repeat(512),
  "control characters only, 1 KiB": "\x01".repeat(1024)
}

/** What the envelope costs a line, with little and with much to escape. In this process, so pin it for quiet figures. */
export const printEncoding = async () => {
  const prefix = Envelope.prefix("127.0.0.1:54321")
  const buffer = new EnvelopeBuffer(64 * 1024)
  const target = new Uint8Array(64 * 1024)
  const rows = Object.entries(LINES).map(([what, text]) => {
    const line = Buffer.from(text)
    const lines = Math.ceil(CHUNK_BYTES / line.length)
    const chunk = Buffer.alloc(lines * line.length, line)
    const times = Math.ceil(BYTES_PER_ROUND / chunk.length)
    /** The fastest round: others shared the processor. */
    const nanosPerLine = (encode: (start: number) => void) => {
      const rounds = Array.from({ length: ROUNDS }, () => {
        const started = performance.now()
        for (let i = 0; i < times; i++) {
          // As a chunk that has just arrived.
          buffer.encode(0, 64 * 1024, prefix, line, 0, line.length, false)
          for (let at = 0; at < chunk.length; at += line.length) encode(at)
        }
        return ((performance.now() - started) * 1e6) / (times * lines)
      })
      return Math.min(...rounds)
    }
    const length = Envelope.encodedLength(prefix, line, 0, line.length)
    const simd = nanosPerLine((at) => buffer.encode(0, 64 * 1024, prefix, chunk, at, at + line.length, true))
    const loop = nanosPerLine((at) => Envelope.encode(target, 0, prefix, chunk, at, at + line.length))
    return [what, `${line.length}`, `${length}`, simd.toFixed(0), loop.toFixed(0), (loop / simd).toFixed(1)]
  })
  const columns = ["line", "bytes", "envelope", "ns per line", "by the byte loop", "ratio"]
  process.stdout.write(`${table(columns, rows)}\n\n`)
}
