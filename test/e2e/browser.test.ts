import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Chromium from "../support/Chromium.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import * as TcpClient from "../support/TcpClient.ts"

const { does } = Chromium

const CHAT = readFileSync(fileURLToPath(new URL("../../docs/examples/browser-chat.html", import.meta.url)))

/** The built server, and the chat of the documentation on a site whose pages may connect to it. */
const start = Effect.fnUntraced(function* (
  config: { readonly websocket?: object; readonly hyper_parameters?: object } = {}
) {
  const { origin } = yield* Chromium.site(CHAT)
  const directory = yield* Directory.make()
  const begin = Effect.fnUntraced(function* (port: number) {
    const websocket = { port, origins: [origin], ...config.websocket }
    writeFileSync(join(directory, "server.json"), JSON.stringify({ ...config, websocket }))
    const server = yield* Cli.listening(["--config", "server.json"], { cwd: directory })
    const [, relay] = yield* server.printed(/listening on (ws:\S+)/)
    return { ...server, relay: relay! }
  })
  const server = yield* begin(0)
  const browser = yield* Chromium.launch()
  const open = Effect.fnUntraced(function* (site = origin) {
    const page = yield* does(() => browser.newPage())
    yield* does(() => page.goto(`${site}/?relay=${encodeURIComponent(server.relay)}`))
    const status = (text: string) => does(() => page.getByRole("status").filter({ hasText: text }).waitFor())
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
  const chat = Effect.fnUntraced(function* (name: string) {
    const opened = yield* open()
    yield* opened.status("connected to ")
    yield* does(() => opened.page.getByLabel("Name").fill(name))
    return opened
  })
  return { open, chat, begin, server }
})

describe.skipIf(!Chromium.hasChromium)(`a room with browsers in it${Chromium.withChromium}`, () => {
  it.live("chats: each line once, to everybody but its sender", () =>
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

  it.live("keeps order and every line under load, both ways", () =>
    Effect.gen(function* () {
      const { open, server } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000 } })
      const { page } = yield* open()
      const tcp = yield* TcpClient.connect(server.port)
      const count = 2000
      yield* does(() =>
        page.evaluate(
          `new Promise((resolve) => {
            globalThis.client = new WebSocket(${JSON.stringify(server.relay)})
            globalThis.received = new Promise((all) => {
              const contents = []
              client.onmessage = ({ data }) => {
                if (contents.push(JSON.parse(data).content) === ${count}) all(contents)
              }
            })
            client.onopen = () => resolve()
          })`
        )
      )
      yield* server.printed(/\(3 clients\)/)
      yield* does(() => page.evaluate(`for (let i = 0; i < ${count}; i++) client.send(i + " " + "x".repeat(i % 300))`))
      const numbers = Array.from({ length: count }, (_, i) => `${i} ${"x".repeat(i % 300)}`)
      assert.deepStrictEqual(
        (yield* tcp.lines(count)).map((line) => JSON.parse(line).content),
        numbers
      )
      tcp.send(numbers.map((line) => `${line}\n`).join(""))
      assert.deepStrictEqual(yield* does(() => page.evaluate("received")), numbers)
    })
  )

  it.live("shows what others send as text, whatever it is", () =>
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

  it.live("tells a browser what it tells everybody", () =>
    Effect.gen(function* () {
      const { chat } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 2 } })
      const ada = yield* chat("ada")
      for (const text of ["one", "two", "three"]) yield* ada.say(text)
      yield* ada.sees("Warning: You are sending messages too quickly. Please slow down.")
    })
  )

  it.live("says 1001 when it stops, and has its browsers back when it starts again", () =>
    Effect.gen(function* () {
      const { begin, chat, server } = yield* start()
      const ada = yield* chat("ada")
      server.process.kill("SIGTERM")
      yield* ada.sees("Warning: Server is shutting down.")
      yield* ada.status("disconnected (1001)")
      assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
      const again = yield* begin(Number(new URL(server.relay).port))
      yield* ada.status("connected to ")
      const tcp = yield* TcpClient.connect(again.port)
      yield* ada.say("I am back")
      assert.strictEqual(JSON.parse(yield* tcp.line).content, "ada: I am back")
    })
  )

  it.live("says that it is full, with 1013", () =>
    Effect.gen(function* () {
      const { chat, open } = yield* start({ websocket: { max_clients: 1 } })
      yield* chat("ada")
      const late = yield* open()
      yield* late.sees("Warning: Server is full. Please try again later.")
      yield* late.status("disconnected (1013)")
    })
  )

  it.live("is closed to pages of other sites", () =>
    Effect.gen(function* () {
      const { open, server } = yield* start()
      const elsewhere = yield* Chromium.site(CHAT)
      const page = yield* open(elsewhere.origin)
      yield* page.status("disconnected (1006)")
      yield* server.printed(/WARNING - connections refused: origin not allowed/)
    })
  )

  it.live("does not wait for a page that hangs, and keeps no more for it than the limit", () =>
    Effect.gen(function* () {
      const { open, server } = yield* start({
        hyper_parameters: {
          rate_limit_msgs_per_minute: 1_000_000,
          slow_consumer: { soft_limit_bytes: 65_536, hard_limit_bytes: 2_000_000, stall_grace_ms: 0 }
        }
      })
      const hung = yield* open()
      yield* hung.status("connected to ")
      const [sender, reader] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
      yield* server.printed(/\(3 clients\)/)
      yield* does(() => hung.page.evaluate("void setTimeout(() => { while (true); })"))
      const content = "x".repeat(50_000)
      for (let i = 0; i < 400; i++) {
        sender.send(`${content}\n`)
        assert.strictEqual(yield* reader.line, TcpClient.envelope(sender, content))
      }
      yield* server.printed(/disconnected: reading too slowly \(2 clients\)/)
    })
  )
})
