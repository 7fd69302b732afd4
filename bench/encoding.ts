import * as Envelope from "../src/protocol/Envelope.ts"
import { table } from "./table.ts"
import { median } from "./workloads.ts"

const ROUNDS = 15
const BYTES_PER_ROUND = 64 * 1024 * 1024

const json = (bytes: number) => {
  const items: Array<object> = []
  const text = () => JSON.stringify({ _version: "1.3.0", _payload: { from: "agent-7f3a", to: null, items } })
  while (text().length < bytes) items.push({ sku: "A-0037", qty: 2, price: 13.25, note: 'say "ok" or decline' })
  return text()
}

const LINES: Record<string, string> = {
  "plain text, 128 B": "abcdefghijklmnopqrstuvwxyz012345".repeat(4),
  "plain text, 1 KiB": "abcdefghijklmnopqrstuvwxyz012345".repeat(32),
  "agent JSON, 1 KiB": json(1024),
  "quotes and backslashes only, 1 KiB": '"\\'.repeat(512),
  "control characters only, 1 KiB": "\x01".repeat(1024)
}

/** What the envelope costs a line, with little and with much to escape. In this process, so pin it for quiet figures. */
export const printEncoding = async () => {
  const prefix = Envelope.prefix("127.0.0.1:54321")
  const target = new Uint8Array(64 * 1024)
  const rows = Object.entries(LINES).map(([what, text]) => {
    const line = Buffer.from(text)
    const length = Envelope.encodedLength(prefix, line, 0, line.length)
    const times = Math.ceil(BYTES_PER_ROUND / line.length)
    const nanos = Array.from({ length: ROUNDS }, () => {
      const started = performance.now()
      for (let i = 0; i < times; i++) Envelope.encode(target, 0, prefix, line, 0, line.length)
      return ((performance.now() - started) * 1e6) / times
    })
    const typical = median(nanos)
    return [what, `${line.length}`, `${length}`, typical.toFixed(0), (typical / line.length).toFixed(2)]
  })
  process.stdout.write(`${table(["line", "bytes", "envelope", "ns per line", "ns per byte"], rows)}\n\n`)
}
