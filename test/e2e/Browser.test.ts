import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Chromium from "../support/Chromium.ts"
import * as Forwarder from "../support/Forwarder.ts"
import * as Server from "../support/Server.ts"
import { SharedBrowser } from "../support/SharedBrowser.ts"
import * as TcpClient from "../support/TcpClient.ts"

const { does } = Chromium

/** Keeps every status that a page of the chat has had, as one may be there for a moment only. */
const FOLLOW_STATUS = `{
  const status = document.querySelector("[role=status]")
  const statuses = [status?.textContent ?? ""]
  let onStatus = () => {}
  globalThis.nextStatus = (text) => new Promise((resolve) => {
    onStatus = () => {
      const found = statuses.findIndex((status) => status.includes(text))
      if (found === -1) return
      statuses.splice(0, found + 1)
      onStatus = () => {}
      resolve()
    }
    onStatus()
  })
  if (status !== null) {
    const observer = new MutationObserver(() => { statuses.push(status.textContent); onStatus() })
    observer.observe(status, { childList: true, characterData: true, subtree: true })
  }
}`

const CHAT = readFileSync(fileURLToPath(new URL("../../docs/examples/browser-chat.html", import.meta.url)))

/** A server for the pages of a site. */
const begin = Effect.fnUntraced(function* (
  origin: string,
  config: { readonly websocket?: object; readonly hyper_parameters?: object } = {}
) {
  const server = yield* Server.start({ ...config, websocket: { port: 0, origins: [origin], ...config.websocket } })
  return { ...server, url: server.relay.webSocketUrl! }
})

/** A server, and a page on a site whose pages may connect to it. */
const start = Effect.fnUntraced(function* (
  config: { readonly websocket?: object; readonly hyper_parameters?: object } = {},
  html: string | Uint8Array = CHAT
) {
  const { origin } = yield* Chromium.site(html)
  const server = yield* begin(origin, config)
  const open = Effect.fnUntraced(function* (
    options: { readonly site?: string; readonly relay?: string; readonly hangs?: boolean } = {}
  ) {
    const { relay = server.url, site = origin } = options
    const { page } = yield* options.hangs === true ? SharedBrowser.ownPage() : SharedBrowser.page
    yield* does(() => page.goto(`${site}/?relay=${encodeURIComponent(relay)}`))
    yield* does(() => page.evaluate(FOLLOW_STATUS))
    /** Waits for the next status with this text. */
    const status = (text: string) => does(() => page.evaluate(`nextStatus(${JSON.stringify(text)})`))
    const say = (text: string) =>
      does(async () => {
        await page.getByLabel("Message").fill(text)
        await page.getByRole("button").click()
      })
    const sees = (text: string) => does(() => page.locator("li", { hasText: text }).first().waitFor())
    const texts = does(() => page.locator("li").allTextContents())
    return { page, say, sees, status, texts }
  })
  /** A page that is connected, under that name. */
  const chat = Effect.fnUntraced(function* (name: string, relay?: string) {
    const opened = yield* open(relay === undefined ? {} : { relay })
    yield* opened.status("connected to ")
    yield* does(() => opened.page.getByLabel("Name").fill(name))
    return opened
  })
  return { open, chat, origin, server }
})

layer(SharedBrowser.layer, { excludeTestServices: true })(
  `a room with browsers in it${Chromium.withChromium}`,
  (it) => {
    const live = it.effect.skipIf(!Chromium.hasChromium)

    live("chats: each line once, to everybody but its sender", () =>
      Effect.gen(function* () {
        const { chat, server } = yield* start()
        const tcp = yield* TcpClient.connect(server.port)
        const ada = yield* chat("ada")
        const zoe = yield* chat("zoë")
        yield* ada.say("hello 😀")
        yield* zoe.sees("ada: hello 😀")
        const fromAda = JSON.parse(yield* tcp.line)
        assert.strictEqual(fromAda.content, "ada: hello 😀")
        yield* zoe.say("hi")
        const fromZoe = JSON.parse(yield* tcp.line)
        assert.strictEqual(fromZoe.content, "zoë: hi")
        yield* ada.sees("zoë: hi")
        tcp.send("from a terminal\n")
        yield* ada.sees("from a terminal")
        yield* zoe.sees("from a terminal")
        const fromTcp = `${tcp.address}from a terminal`
        assert.deepStrictEqual(yield* ada.texts, ["meada: hello 😀", `${fromZoe.remote_addr}zoë: hi`, fromTcp])
        assert.deepStrictEqual(yield* zoe.texts, [`${fromAda.remote_addr}ada: hello 😀`, "mezoë: hi", fromTcp])
      })
    )

    live("keeps order and every line under load, both ways, also behind a page that stands still for a while", () =>
      Effect.gen(function* () {
        const { open, server } = yield* start(
          {
            hyper_parameters: {
              rate_limit_msgs_per_minute: 1_000_000,
              slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 1_000_000, stall_grace_ms: 0 }
            }
          },
          "<!doctype html><title>No chat: it would draw each line.</title>"
        )
        const { page } = yield* open()
        const [tcp, witness] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
        const count = 2000
        yield* does(() =>
          page.evaluate(
            `new Promise((resolve) => {
            globalThis.client = new WebSocket(${JSON.stringify(server.url)})
            globalThis.received = new Promise((all) => {
              const contents = []
              client.onmessage = ({ data }) => {
                const { content } = JSON.parse(data)
                if (content === "the end") all(contents)
                else contents.push(content.replace(/x*$/, (xs) => xs.length))
              }
            })
            client.onopen = () => resolve()
          })`
          )
        )
        yield* server.logged(/\(3 clients\)/)
        yield* does(() =>
          page.evaluate(`for (let i = 0; i < ${count}; i++) client.send(i + " " + "x".repeat(i % 300))`)
        )
        const numbers = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(i % 300)}`)
        for (const client of [tcp, witness]) {
          assert.deepStrictEqual(
            (yield* client.lines(count)).map((line) => JSON.parse(line).content),
            numbers
          )
        }
        const debug = yield* does(() => page.context().newCDPSession(page))
        yield* does(async () => {
          await debug.send("Debugger.enable")
          const paused = new Promise((resolve) => void debug.once("Debugger.paused", resolve))
          await page.evaluate("void setTimeout(() => { debugger })")
          await paused
        })
        const expected: Array<string> = []
        const say = (length: number) => {
          const number = expected.push(`${expected.length} ${length}`) - 1
          tcp.send(`${number} ${"x".repeat(length)}\n`)
          return witness.line
        }
        // How much the system and the browser take for the page is up to them.
        while (!server.lines.some((line) => line.endsWith(" slow"))) yield* say(50_000)
        for (let i = 0; i < 200; i++) yield* say(i * 10)
        yield* does(() => debug.send("Debugger.resume"))
        tcp.send("the end\n")
        assert.deepStrictEqual(yield* does(() => page.evaluate("received")), expected)
      })
    )

    live("shows what others send as text, whatever it is", () =>
      Effect.gen(function* () {
        const { chat, server } = yield* start()
        const ada = yield* chat("ada")
        const tcp = yield* TcpClient.connect(server.port)
        const markup = `<img src="x" onerror="document.title = 'owned'"><script>document.title = 'owned'</script>`
        tcp.send(`${markup}\n`)
        yield* ada.sees(markup)
        assert.strictEqual(yield* does(() => ada.page.locator("li img, li script").count()), 0)
        assert.strictEqual(yield* does(() => ada.page.title()), "Relay chat")
      })
    )

    live("tells a browser what it tells everybody", () =>
      Effect.gen(function* () {
        const { chat } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 2 } })
        const ada = yield* chat("ada")
        for (const text of ["one", "two", "three"]) yield* ada.say(text)
        yield* ada.sees("Warning: You are sending messages too quickly. Please slow down.")
      })
    )

    live("says 1001 when it stops, and has its browsers back when it starts again", () =>
      Effect.gen(function* () {
        const { chat, origin } = yield* start()
        const address = yield* Forwarder.make
        const before = yield* begin(origin)
        address.target(Number(new URL(before.url).port))
        const ada = yield* chat("ada", `ws://127.0.0.1:${address.port}`)
        address.target(undefined)
        yield* before.stop
        yield* ada.sees("Warning: Server is shutting down.")
        yield* ada.status("disconnected (1001)")
        const again = yield* begin(origin)
        address.target(Number(new URL(again.url).port))
        yield* ada.status("connected to ")
        const tcp = yield* TcpClient.connect(again.port)
        yield* ada.say("I am back")
        assert.strictEqual(JSON.parse(yield* tcp.line).content, "ada: I am back")
      })
    )

    live("says that it is full, with 1013", () =>
      Effect.gen(function* () {
        const { chat, open } = yield* start({ websocket: { max_clients: 1 } })
        yield* chat("ada")
        const late = yield* open()
        yield* late.sees("Warning: Server is full. Please try again later.")
        yield* late.status("disconnected (1013)")
      })
    )

    live("is closed to pages of other sites", () =>
      Effect.gen(function* () {
        const { open, server } = yield* start()
        const elsewhere = yield* Chromium.site(CHAT)
        const page = yield* open({ site: elsewhere.origin })
        yield* page.status("disconnected (1006)")
        yield* server.logged(/WARNING connections refused: origin not allowed/)
      })
    )

    live("does not wait for a page that hangs, and keeps no more for it than the limit", () =>
      Effect.gen(function* () {
        const limit = 2_000_000
        const { open, server } = yield* start({
          hyper_parameters: {
            rate_limit_msgs_per_minute: 1_000_000,
            slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: limit, stall_grace_ms: 0 }
          }
        })
        const hung = yield* open({ hangs: true })
        yield* hung.status("connected to ")
        const [sender, reader] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
        yield* server.logged(/\(3 clients\)/)
        // A dialog that nobody answers stops all scripts of the page, and takes no processor time meanwhile.
        yield* does(async () => {
          const opened = hung.page.waitForEvent("dialog")
          await hung.page.evaluate("void setTimeout(() => alert('hung'))")
          await opened
        })
        const content = "x".repeat(50_000)
        // How much the system and the browser take for the page is up to them.
        for (let clients = 3; clients === 3;) {
          sender.send(`${content}\n`)
          assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, content))
          const infos = yield* server.relay.clients
          for (const { bytesWaiting } of infos) assert.isAtMost(bytesWaiting, limit)
          clients = infos.length
        }
        yield* server.logged(/disconnected: reading too slowly \(2 clients\)/)
      })
    )
  }
)
