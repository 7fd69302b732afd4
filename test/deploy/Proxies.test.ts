import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Directory from "../support/Directory.ts"
import { ROOT } from "../support/Package.ts"
import * as Ports from "../support/Ports.ts"
import * as Server from "../support/Server.ts"
import { isInstalled } from "../support/Tools.ts"
import * as WebSocketClient from "../support/WebSocketClient.ts"

const TOKEN = "s3cret"

interface Proxy {
  readonly name: string
  readonly file: string
  readonly isThere: boolean
  /** Whether it tells the server who its clients are. */
  readonly speaksProxy: boolean
  /** @param file the configuration of this project, in a directory of its own */
  readonly command: (directory: string, file: string) => ReadonlyArray<string>
}

const proxies: ReadonlyArray<Proxy> = [
  {
    name: "nginx",
    file: "nginx.conf",
    isThere: isInstalled("nginx"),
    speaksProxy: false,
    command: (directory, file) => {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      const paths = temporary.map((what) => `${what}_temp_path ${directory}/${what};`).join(" ")
      const settings = `access_log off; gzip on; gzip_proxied any; gzip_types text/event-stream;`
      const main = join(directory, "main.conf")
      writeFileSync(main, `events {} http { ${paths} ${settings} include ${file}; }`)
      const globals = `daemon off; master_process off; pid ${directory}/pid;`
      return ["nginx", "-p", directory, "-c", main, "-e", "stderr", "-g", globals]
    }
  },
  {
    name: "HAProxy",
    file: "haproxy.cfg",
    isThere: isInstalled("haproxy"),
    speaksProxy: true,
    command: (_directory, file) => ["haproxy", "-db", "-f", file]
  },
  {
    name: "Caddy",
    file: "Caddyfile",
    isThere: isInstalled("caddy"),
    speaksProxy: false,
    command: (directory, file) => {
      // Its own admin port, which may be taken.
      writeFileSync(file, `{\n\tadmin off\n}\n${readFileSync(file, "utf8")}`)
      return [
        "env",
        `XDG_DATA_HOME=${directory}`,
        `XDG_CONFIG_HOME=${directory}`,
        ..."caddy run --adapter caddyfile --config".split(" "),
        file
      ]
    }
  }
]

/** Starts a server and the proxy before it; the URL of the proxy. */
const start = Effect.fnUntraced(function* ({ command, file, speaksProxy }: Proxy) {
  const { lines, relay } = yield* Server.start({
    websocket: { port: 0 },
    admin: { port: 0, token: TOKEN, token_for_reading: true },
    hyper_parameters: speaksProxy ? { trusted_proxies: ["127.0.0.1"] } : {}
  })
  const port = yield* Ports.lasting
  const directory = yield* Directory.make()
  const path = join(directory, file)
  const configured = readFileSync(join(ROOT, "deploy/proxies", file), "utf8")
    .replaceAll("8889", new URL(relay.webSocketUrl!).port)
    .replaceAll("9090", String(relay.adminAddress!.port))
    .replace("8080", String(port))
  writeFileSync(path, configured)
  const [program, ...args] = command(directory, path) as [string, ...Array<string>]
  let output = ""
  const proxy = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(program, args)),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void)).kill("SIGKILL")
      })
  )
  for (const stream of [proxy.stdout, proxy.stderr]) stream.on("data", (chunk) => (output += chunk))
  const url = `http://127.0.0.1:${port}`
  const answers = Effect.promise(() =>
    fetch(`${url}/relay/healthz`).then(
      ({ ok }) => ok,
      () => false
    )
  )
  while (!(yield* answers)) {
    if (proxy.exitCode !== null) return yield* Effect.die(new Error(`${program} has ended: ${output}`))
    yield* Effect.sleep("20 millis")
  }
  return { lines, relay, url }
})

const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

for (const proxy of proxies) {
  describe.skipIf(!proxy.isThere)(
    `deploy/proxies/${proxy.file}${proxy.isThere ? "" : ` (skipped: no ${proxy.name})`}`,
    () => {
      it.live("has the dashboard and its API under a path, for those who have the token", () =>
        Effect.gen(function* () {
          const { url } = yield* start(proxy)
          const page = yield* Effect.promise(() => fetch(`${url}/relay/`).then((response) => response.text()))
          assert.match(page, /["'`]api\/events["'`]/)
          assert.notMatch(page, /["'`]\/api/)
          const api = new URL("api/stats", `${url}/relay/`)
          assert.strictEqual((yield* Effect.promise(() => fetch(api))).status, 401)
          const stats = yield* Effect.promise(() => fetch(api, { headers: AUTHORIZED }))
          assert.strictEqual(((yield* Effect.promise(() => stats.json())) as { state: string }).state, "ready")
        })
      )

      it.live("passes each event on at once, also where it may compress", () =>
        Effect.gen(function* () {
          const { url } = yield* start(proxy)
          const headers = { ...AUTHORIZED, "accept-encoding": "gzip" }
          const response = yield* Effect.promise(() => fetch(`${url}/relay/api/events`, { headers }))
          const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
          // A buffer would be passed on when it is full, wherever an event ends.
          for (let i = 0; i < 4; i++) {
            const { value = "" } = yield* Effect.promise(() => reader.read())
            assert.match(value, /^event: stats\n/)
            assert.isTrue(value.endsWith("\n\n"), value.slice(-100))
          }
          yield* Effect.promise(() => reader.cancel())
        })
      )

      it.live("relays between WebSocket clients", () =>
        Effect.gen(function* () {
          const { lines, relay, url } = yield* start(proxy)
          const connect = WebSocketClient.connect(url, { path: "/chat" })
          const [a, b] = [yield* connect, yield* connect]
          yield* Server.until(() => lines.filter((line) => line.includes(" connected (")).length === 2)
          a.send("hello")
          const { content, remote_addr } = JSON.parse(yield* b.line)
          assert.strictEqual(content, "hello")
          const addresses = (yield* relay.clients).map(({ address }) => address)
          assert.include(addresses, remote_addr)
          if (proxy.speaksProxy) assert.strictEqual(remote_addr, a.address)
        })
      )
    }
  )
}
