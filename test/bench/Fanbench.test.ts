import { execFile, execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

/** What a relay does with the envelope of the hundredth line, for one of its clients: what it writes instead. */
type Fault = (envelope: string, before: string) => string

const replaced =
  (pattern: RegExp | string, by: string): Fault =>
  (envelope) =>
    envelope.replace(pattern, by)

const FAULTS: Record<string, readonly [fault: Fault, counted: string]> = {
  "a lost line": [() => "", "lost"],
  "a line twice": [(envelope) => envelope + envelope, "duplicated"],
  "an old line again": [(envelope, before) => envelope + before, "duplicated"],
  "a changed byte of the payload": [replaced(/.(..."}\n)$/, "!$1"), "corrupt"],
  "a missing byte of the payload": [replaced(/.("}\n)$/, "$1"), "corrupt"],
  "a changed sequence number": [replaced(/:0(\d{9}):/, ":9$1:"), "corrupt"],
  "another sender's address": [replaced(/:\d+","content"/, ':1","content"'), "corrupt"],
  "another key in the envelope": [replaced("remote_addr", "remote_Addr"), "corrupt"],
  "a space in the envelope": [replaced('","content"', '", "content"'), "corrupt"],
  "an escape that is not needed": [replaced("~.", "~\\u002e"), "corrupt"],
  "a line without its end": [replaced("\n", ""), "lost"],
  "a line that nobody has sent": [(envelope) => `${envelope}hello\n`, "nondelivery_lines"]
}

/** A relay that makes one mistake. */
const startRelay = (fault: Fault | "reorder" | "echo" | undefined) =>
  new Promise<Net.Server>((resolve) => {
    const clients = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      clients.add(socket)
      let rest = ""
      let lines = 0
      let before = ""
      const from = `127.0.0.1:${socket.remotePort}`
      const deliver = (to: Net.Socket, envelope: string, n: number) => {
        const isFirst = to === [...clients].find((client) => client !== socket)
        if (!isFirst || fault === undefined || fault === "echo") return to.write(envelope)
        if (fault !== "reorder") return to.write(n === 100 ? fault(envelope, before) : envelope)
        return n === 100 ? undefined : to.write(n === 101 ? envelope + before : envelope)
      }
      socket.on("error", () => {}).on("close", () => clients.delete(socket))
      socket.setEncoding("latin1").on("data", (chunk: string) => {
        const complete = (rest + chunk).split("\n")
        rest = complete.pop()!
        for (const line of complete) {
          const envelope = `${JSON.stringify({ remote_addr: from, content: line })}\n`
          lines++
          for (const client of clients) if (client !== socket) deliver(client, envelope, lines)
          if (fault === "echo" && lines === 100) socket.write(envelope)
          before = envelope
        }
      })
    })
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

const hasCompiler = spawnSync("sh", ["-c", "command -v cc"]).status === 0

describe.skipIf(!hasCompiler || process.platform !== "linux")("the load generator", { concurrent: true }, () => {
  const directory = mkdtempSync(join(tmpdir(), "fanbench-"))
  const fanbench = join(directory, "fanbench")
  beforeAll(() => {
    execFileSync("cc", ["-O1", "-pthread", "-o", fanbench, join(import.meta.dirname, "../../bench/fanbench.c")])
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  const run = async (fault: Parameters<typeof startRelay>[0]) => {
    const server = await startRelay(fault)
    const { port } = server.address() as Net.AddressInfo
    // Seconds in which nothing arrives: only a fault may take as long.
    const timeout = fault === undefined ? 120 : 2
    const load = `--receivers 3 --senders 2 --size 300 --json --count 300 --rate 3000 --timeout ${timeout} --settle 0`
    try {
      return await new Promise<{ readonly code: number; readonly counts: Record<string, number> }>((resolve) => {
        execFile(fanbench, ["--port", String(port), ...load.split(" ")], (error, output) => {
          resolve({
            code: error === null ? 0 : Number(error.code),
            counts: JSON.parse(output) as Record<string, number>
          })
        })
      })
    } finally {
      server.close()
    }
  }

  it("is content with a relay that makes no mistake", async () => {
    const { code, counts } = await run(undefined)
    assert.deepStrictEqual([code, counts["faults"], counts["received"]], [0, 0, counts["expected"]])
    assert.isAbove(counts["received"]!, 2000)
  })

  it.for([
    ...Object.entries(FAULTS),
    ["two lines in the wrong order", ["reorder", "out_of_order"]] as const,
    ["a sender's own line", ["echo", "echo"]] as const
  ])("notices %s", async ([, [fault, counted]]) => {
    const { code, counts } = await run(fault)
    assert.notStrictEqual(code, 0)
    assert.isAbove(counts[counted]!, 0, JSON.stringify(counts))
  })
})
