import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Certificates from "../support/Certificates.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { canRun, isInstalled, run } from "../support/Tools.ts"
import { SOAK } from "./form.ts"

const skipped = (isThere: boolean, what: string) => (isThere ? "" : ` (skipped: no ${what})`)

/** Both take longer than all else that runs with every `npm test`. */
const slow = (isThere: boolean, what: string) => (SOAK ? skipped(isThere, what) : " (skipped: only with SOAK=1)")

const hasSlowHttpTest = isInstalled("slowhttptest")
/** Debian's, whatever other Python the machine has. */
const PYTHON = "/usr/bin/python3"
const hasWebsockets = canRun(PYTHON, "-c", "import websockets")
const hasTestssl = Certificates.hasOpenssl && isInstalled("testssl")

const attacks = [
  ["headers", "-H"],
  ["bodies", "-B"],
  ["reading", "-X"]
] as const

describe.skipIf(!SOAK || !hasSlowHttpTest).each(attacks)(
  `slowhttptest with %s that never end${slow(hasSlowHttpTest, "slowhttptest")}`,
  (_what, mode) => {
    it.live("leaves both HTTP ports available, and clients undisturbed", () =>
      Effect.gen(function* () {
        const { relay } = yield* Server.start({
          logger: { log_level: "ERROR" },
          websocket: { port: 0 },
          admin: { port: 0 }
        })
        const [a, b] = [yield* TcpClient.connect(relay.address.port), yield* TcpClient.connect(relay.address.port)]
        yield* TcpClient.settled(a, b)
        const ports = [Number(new URL(relay.webSocketUrl!).port), relay.adminAddress!.port]
        for (const port of ports) {
          const url = `http://127.0.0.1:${port}/`
          const args = [mode, "-c", "300", "-r", "300", "-i", "1", "-l", "4", "-p", "60", "-u", url]
          const { stdout } = yield* run("slowhttptest", args)
          assert.match(stdout, /service available:\S*\s+\S*YES/, stdout.slice(-1000))
        }
        a.send("still here\n")
        assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))
      })
    )
  }
)

describe.skipIf(!hasWebsockets)(`Python's websockets${skipped(hasWebsockets, "python3-websockets")}`, () => {
  it.live("sends, receives, pings and closes", () =>
    Effect.gen(function* () {
      const { relay } = yield* Server.start({ websocket: { port: 0 } })
      const program = `
import asyncio, json, websockets
async def main():
    async with websockets.connect("${relay.webSocketUrl}") as a, websockets.connect("${relay.webSocketUrl}") as b:
        while True:
            await a.send("here")
            try:
                await asyncio.wait_for(b.recv(), 0.1)
                break
            except asyncio.TimeoutError:
                pass
        for i in range(100): await a.send(f"line {i}")
        line = ""
        while line != "line 0": line = json.loads(await b.recv())["content"]
        for i in range(1, 100): assert json.loads(await b.recv())["content"] == f"line {i}"
        await (await a.ping())
        await a.send("x" * 70000)
        print(await a.recv())
    print(a.close_code, b.close_code)
asyncio.run(main())
`
      const { code, stderr, stdout } = yield* run(PYTHON, ["-c", program])
      assert.strictEqual(code, 0, stderr)
      assert.strictEqual(stdout, "Warning: Message exceeds 65536 bytes and was dropped.\n1000 1000\n")
    })
  )
})

describe.skipIf(!SOAK || !hasTestssl)(`testssl.sh${slow(hasTestssl, "testssl.sh")}`, () => {
  it.live("finds TLS 1.2 and 1.3, and nothing older", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port } = yield* Server.start({ tls: certificates.config })
      const args = ["--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "-p", `127.0.0.1:${port}`]
      const { stdout } = yield* run("testssl", args)
      const offered = [...stdout.matchAll(/^ ((?:SSL|TLS)\S* ?[\d.]*) +(not offered|offered)/gm)]
      assert.deepStrictEqual(
        offered.map(([, version, is]) => [version!.trim(), is]),
        [
          ["SSLv2", "not offered"],
          ["SSLv3", "not offered"],
          ["TLS 1", "not offered"],
          ["TLS 1.1", "not offered"],
          ["TLS 1.2", "offered"],
          ["TLS 1.3", "offered"]
        ]
      )
    })
  )
})
