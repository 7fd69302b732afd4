import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import * as Chromium from "../support/Chromium.ts"
import * as Docs from "../support/Docs.ts"
import * as Forwarder from "../support/Forwarder.ts"
import { ROOT } from "../support/Package.ts"
import * as Server from "../support/Server.ts"
import { SharedBrowser } from "../support/SharedBrowser.ts"
import * as TcpClient from "../support/TcpClient.ts"

const { does } = Chromium

const pageIn = (path: string): string => /^```html\n([^]*?)^```/m.exec(Docs.page(path))![1]!

/** A web site that has a page at its root and the built client, as the documentation says. */
const site = (pageOf: () => string) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly origin: string; readonly close: () => void }>((resume) => {
      const server = createServer(({ url }, response) => {
        const path = join(ROOT, "dist", url!)
        if (url!.startsWith("/client/") && existsSync(path)) {
          response.setHeader("Content-Type", "text/javascript").end(readFileSync(path))
        } else response.setHeader("Content-Type", "text/html; charset=utf-8").end(pageOf())
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        resume(
          Effect.succeed({
            origin: `http://127.0.0.1:${port}`,
            close: () => void server.close().closeAllConnections()
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  )

/** A server, a page on a site whose pages may connect to it, and a TCP client. */
const start = Effect.fnUntraced(function* (page: string) {
  let url = ""
  const { origin } = yield* site(() => page.replace("ws://127.0.0.1:8889/", url))
  const server = yield* Server.start({
    websocket: { port: 0, origins: [origin] },
    hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 }
  })
  const address = yield* Forwarder.make
  address.target(Number(new URL(server.relay.webSocketUrl!).port))
  url = `ws://127.0.0.1:${address.port}/`
  const tcp = yield* TcpClient.connect(server.port)
  yield* server.logged(/\(1 client\)/)
  const opened = yield* SharedBrowser.page
  yield* does(() => opened.page.goto(origin))
  return { ...opened, address, origin, server, tcp, url }
})

layer(SharedBrowser.layer, { excludeTestServices: true })(
  `summoner-server/client in a browser${Chromium.withChromium}`,
  (it) => {
    const live = it.effect.skipIf(!Chromium.hasChromium)

    live("chats without the client, as the page of the README does", () =>
      Effect.gen(function* () {
        const { complaints, page, server, tcp } = yield* start(pageIn("README.md"))
        yield* server.logged(/\(websocket\) connected/)
        tcp.send("Zoë 😀 <b>\n")
        const items = page.locator("li")
        yield* does(() => items.nth(0).waitFor())
        yield* does(() => page.getByRole("textbox").fill("hello from a browser"))
        yield* does(() => page.keyboard.press("Enter"))
        assert.strictEqual(JSON.parse(yield* tcp.line).content, "hello from a browser")
        assert.deepStrictEqual(yield* does(() => items.allTextContents()), [
          `${tcp.address}: Zoë 😀 <b>`,
          "me: hello from a browser"
        ])
        yield* server.stop
        yield* does(() => items.nth(2).waitFor())
        assert.strictEqual(yield* does(() => items.nth(2).textContent()), "Warning: Server is shutting down.")
        assert.deepStrictEqual(complaints.thrown, [])
      })
    )

    live("chats as the page of docs/protocol.md does, and says goodbye", () =>
      Effect.gen(function* () {
        const { complaints, page, server, tcp } = yield* start(pageIn("docs/protocol.md"))
        const line = Effect.map(tcp.line, (line) => JSON.parse(line).content)
        assert.strictEqual(yield* line, "hello from a browser")
        tcp.send("Zoë 😀\nping\n")
        assert.strictEqual(yield* line, "pong from a browser")
        assert.deepStrictEqual(yield* does(() => page.locator("li").allTextContents()), [
          `${tcp.address}: Zoë 😀`,
          `${tcp.address}: ping`
        ])
        yield* does(() => page.getByRole("button").click())
        assert.strictEqual(yield* line, "bye")
        yield* server.logged(/disconnected: closed by the client \(1 client\)/)
        assert.deepStrictEqual(complaints.thrown, [])
      })
    )

    live("keeps order and every line under load, both ways, and connects again when it was thrown out", () =>
      Effect.gen(function* () {
        const { address, origin, page, server, tcp, url } = yield* start("<!doctype html><title>Load</title>")
        const count = 2000
        yield* does(() =>
          page.evaluate(`(async () => {
            const { connect } = await import("/client/browser.js")
            globalThis.statuses = []
            globalThis.client = await connect(${JSON.stringify(url)}, { onStatus: ({ state }) => statuses.push(state) })
          })()`)
        )
        yield* server.logged(/\(2 clients\)/)
        const numbers = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(i % 300)}`)
        const sent = does(() =>
          page.evaluate(`(async () => {
            for (let i = 0; i < ${count}; i++) await client.send(i + " " + "x".repeat(i % 300))
          })()`)
        )
        const [, lines] = yield* Effect.all([sent, tcp.lines(count)], { concurrency: "unbounded" })
        assert.deepStrictEqual(
          lines.map((line) => JSON.parse(line).content),
          numbers
        )
        tcp.send(numbers.map((line) => `${line}\n`).join(""))
        const received = yield* does(() =>
          page.evaluate(`(async () => {
            const contents = []
            for await (const { content } of client.messages) if (contents.push(content) === ${count}) break
            return contents
          })()`)
        )
        assert.deepStrictEqual(received, numbers)
        address.target(undefined)
        yield* server.stop
        const again = yield* Server.start({ websocket: { port: 0, origins: [origin] } })
        address.target(Number(new URL(again.relay.webSocketUrl!).port))
        yield* again.logged(/\(websocket\) connected/)
        const back = yield* TcpClient.connect(again.port)
        yield* again.logged(/\(2 clients\)/)
        yield* does(() => page.evaluate(`client.send("I am back")`))
        assert.strictEqual(JSON.parse(yield* back.line).content, "I am back")
        const statuses = yield* does(() => page.evaluate<Array<string>>("statuses"))
        // The new server may have been missed once or more.
        assert.deepStrictEqual(
          statuses.filter((status, i) => status !== statuses[i - 1]),
          ["connected", "disconnected", "connected"]
        )
      })
    )
  }
)
