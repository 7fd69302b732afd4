import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Page } from "playwright-core"
import * as Certificates from "../support/Certificates.ts"
import * as Chat from "../support/Chat.ts"
import * as Chromium from "../support/Chromium.ts"
import * as Forwarder from "../support/Forwarder.ts"
import { before, SharedBrowser } from "../support/SharedBrowser.ts"
import * as TcpClient from "../support/TcpClient.ts"

const { does } = Chromium

const OPEN = { rate_limit_msgs_per_minute: 1_000_000 }

/** A relay that serves the chat; the address of the page is `url`. */
const start = Effect.fnUntraced(function* (config: Chat.Config = { hyper_parameters: OPEN }) {
  const server = yield* Chat.start(config)
  return { ...server, url: server.url.replace(/^ws/, "http") }
})

/** Opens the chat. Nothing may go wrong on it but what is expected. */
const open = Effect.fnUntraced(function* (
  url: string,
  opened: Effect.Effect<Chromium.Watched, never, SharedBrowser | Scope.Scope> = SharedBrowser.page,
  expected?: RegExp
) {
  const page = yield* SharedBrowser.open(yield* opened, url, expected)
  yield* status(page, "Connected")
  return page
})

const status = (page: Page, text: string) => does(() => page.locator("#status", { hasText: text }).waitFor())

const say = (page: Page, text: string) =>
  does(async () => {
    await page.getByLabel("Message", { exact: true }).fill(text)
    await page.keyboard.press("Enter")
  })

const sees = (page: Page, text: string, kind = "li") =>
  does(() => page.locator(kind, { hasText: text }).first().waitFor())

layer(SharedBrowser.layer, { excludeTestServices: true })(
  `the chat that a relay serves to browsers${Chromium.withChromium}`,
  (it) => {
    const live = it.effect.skipIf(!Chromium.hasChromium)

    // With one thread: a page cannot tell how many there are.
    live("has people talk with each other and with agents", () =>
      Effect.gen(function* () {
        const { logged, port, url } = yield* start()
        const tcp = yield* TcpClient.connect(port)
        // Two people do not share the name that the page remembers.
        const [ada, zoe] = [yield* open(url), yield* open(url, SharedBrowser.ownPage())]
        yield* logged(/\(3 clients\)/)
        yield* does(() => ada.getByLabel("Name").fill("ada"))
        yield* say(ada, "hello 😀")
        const fromAda = JSON.parse(yield* tcp.line)
        assert.strictEqual(fromAda.content, "ada: hello 😀")
        yield* sees(zoe, "ada: hello 😀", "li.message")
        yield* sees(zoe, fromAda.remote_addr, "li.message .from")
        yield* sees(ada, "ada: hello 😀", "li.own")
        const markup = `<img src="x" onerror="document.title = 'owned'"><script>document.title = 'owned'</script>`
        tcp.send(`${markup}\n`)
        yield* sees(ada, markup, "li.message")
        assert.strictEqual(yield* does(() => ada.locator("li img, li script").count()), 0)
        yield* say(zoe, "without a name")
        assert.strictEqual(JSON.parse(yield* tcp.line).content, "without a name")
      })
    )

    live("remembers the name that was typed", () =>
      Effect.gen(function* () {
        const { url } = yield* start()
        const page = yield* open(url)
        yield* does(async () => {
          await page.getByLabel("Name").fill("ada: the first")
          await page.keyboard.press("Tab")
          await page.reload()
        })
        assert.strictEqual(yield* does(() => page.getByLabel("Name").inputValue()), "ada the first")
      })
    )

    live("shows notices of the server apart from messages, and reads news to screen readers", () =>
      Effect.gen(function* () {
        const { port, url } = yield* start({ hyper_parameters: { rate_limit_msgs_per_minute: 1 } })
        const page = yield* open(url)
        yield* say(page, "one")
        yield* say(page, "two")
        yield* sees(page, "Warning: You are sending messages too quickly. Please slow down.", "li.notice")
        const tcp = yield* TcpClient.connect(port)
        tcp.send("Warning: You are not.\n")
        yield* sees(page, "Warning: You are not.", "li.message")
        yield* does(() =>
          page.locator("[aria-live=polite]", { hasText: "Warning: You are not." }).waitFor({ state: "attached" })
        )
      })
    )

    live("says that the connection is lost, keeps what is written meanwhile, and sends it when the relay is back", () =>
      Effect.gen(function* () {
        const address = yield* Forwarder.make
        const first = yield* start()
        address.target(Number(new URL(first.url).port))
        const page = yield* open(`http://127.0.0.1:${address.port}`, undefined, /WebSocket connection .* failed/)
        address.target(undefined)
        yield* first.stop
        yield* sees(page, "Warning: Server is shutting down.", "li.notice")
        yield* status(page, "Disconnected: ")
        yield* say(page, "are you there?")
        yield* sees(page, "waiting for the connection", "li.own")
        const again = yield* start()
        const tcp = yield* TcpClient.connect(again.port)
        address.target(Number(new URL(again.url).port))
        yield* status(page, "Connected")
        yield* sees(page, "Connected again.", "li.event")
        yield* does(() => page.locator("li.own .state").waitFor({ state: "detached" }))
        yield* say(page, "and now?")
        // The page may have been back before the other client.
        const heard = JSON.parse(yield* tcp.line).content
        assert.strictEqual(heard === "are you there?" ? JSON.parse(yield* tcp.line).content : heard, "and now?")
      })
    )

    live("keeps a bounded part of a flood, and of a long message what is asked for", () =>
      Effect.gen(function* () {
        const { port, url } = yield* start()
        const watched = yield* SharedBrowser.page
        yield* before(watched.page, HELD_DRAWING)
        const page = yield* open(url, Effect.succeed(watched))
        const tcp = yield* TcpClient.connect(port)
        // Nothing is drawn until all has come.
        yield* does(() => page.evaluate("hold()"))
        tcp.send(Array.from({ length: 5000 }, (_, i) => `${i}\n`).join(""))
        tcp.send("the end of the flood\n")
        yield* does(() => page.evaluate("arrived"))
        yield* does(() => page.evaluate("draw()"))
        yield* sees(page, "the end of the flood")
        const held = yield* does(() => page.locator("li").allTextContents())
        assert.isAtMost(held.length, 110)
        assert.match(held.join("\n"), /^4,\d{3} messages not shown: too many at once$/m)
        for (let i = 0; i < 600; i++) {
          tcp.send(`slowly ${i}\n`)
          if (i % 50 === 49) yield* sees(page, `slowly ${i}`)
        }
        assert.strictEqual(yield* does(() => page.locator("li").count()), 500)

        const long = `${"word ".repeat(12_000)}end`
        tcp.send(`${long}\n`)
        const item = page.locator("li.message", { hasText: "word word" })
        yield* does(() => item.waitFor())
        assert.isBelow((yield* does(() => item.locator("bdi").last().textContent()))!.length, 2100)
        yield* does(() => item.getByRole("button").press("Enter"))
        yield* sees(page, "word end")
        assert.strictEqual(yield* does(() => item.locator("bdi").last().textContent()), long)

        for (let i = 0; i < 60; i++) {
          tcp.send(`${i} ${"x".repeat(60_000)}\n`)
          if (i % 10 === 9) yield* sees(page, `${i} xxx`)
        }
        assert.isBelow(yield* does(() => page.locator("li").count()), 60)
      })
    )

    live("does not move what somebody reads further up, and leads back to the end", () =>
      Effect.gen(function* () {
        const { port, url } = yield* start()
        const page = yield* open(url)
        yield* does(() => page.setViewportSize({ width: 360, height: 640 }))
        const tcp = yield* TcpClient.connect(port)
        for (let i = 0; i < 60; i++) tcp.send(`line ${i}\n`)
        yield* sees(page, "line 59")
        const log = page.getByRole("log")
        const top = () => log.evaluate(({ scrollTop }: { readonly scrollTop: number }) => scrollTop)
        assert.isAbove(yield* does(top), 0)
        yield* does(() => log.press("Home"))
        yield* does(async () => {
          while ((await top()) !== 0);
        })
        tcp.send("news\n")
        yield* does(() => page.getByRole("button", { name: "1 new, to the end" }).waitFor())
        assert.strictEqual(yield* does(top), 0)
        yield* does(() => page.getByRole("button", { name: "1 new, to the end" }).press("Enter"))
        yield* does(async () => {
          while ((await top()) === 0);
        })
        assert.isFalse(yield* does(() => page.locator("#latest").isVisible()))
      })
    )

    for (const colorScheme of ["light", "dark"] as const) {
      live(`fits on a phone, ${colorScheme}, and can be read`, () =>
        Effect.gen(function* () {
          const { port, url } = yield* start()
          const page = yield* open(url)
          yield* does(() => page.setViewportSize({ width: 320, height: 560 }))
          yield* does(() => page.emulateMedia({ colorScheme }))
          const tcp = yield* TcpClient.connect(port)
          tcp.send(`${"x".repeat(300)}\n`)
          yield* sees(page, "xxx")
          assert.isAtMost(yield* does(() => page.evaluate<number>("document.documentElement.scrollWidth")), 320)
          for (const label of ["Name", "Message"]) {
            assert.isTrue(yield* does(() => page.getByLabel(label, { exact: true }).isVisible()))
          }
          const box = yield* does(() => page.getByRole("button", { name: "Send" }).boundingBox())
          assert.isAtMost(box!.x + box!.width, 320)
          assert.isAtMost(box!.y + box!.height, 560)
          assert.isAtLeast(box!.height, 44)
          const contrasts = yield* does(() => page.evaluate<ReadonlyArray<number>>(CONTRASTS))
          assert.isAtLeast(contrasts.length, 6)
          for (const contrast of contrasts) assert.isAtLeast(contrast, 4.5)
        })
      )
    }

    it.effect.skipIf(!Chromium.hasChromium || !Certificates.hasOpenssl)("works by TLS", () =>
      Effect.gen(function* () {
        const certificates = yield* Certificates.make
        const { port, url } = yield* start({ tls: certificates.config })
        assert.match(url, /^https:/)
        const page = yield* open(url, SharedBrowser.ownPage({ ignoreHTTPSErrors: true }))
        const tcp = yield* TcpClient.connect(port, { tls: certificates.client() })
        tcp.send("hello by TLS\n")
        yield* sees(page, "hello by TLS")
      })
    )
  }
)

/** Runs before the page: `hold()` keeps it from drawing until `draw()`; `arrived` resolves with the last message of the flood. */
const HELD_DRAWING = `{
  const { requestAnimationFrame, WebSocket } = globalThis
  const held = []
  globalThis.hold = () => { globalThis.requestAnimationFrame = (run) => held.push(run) }
  globalThis.draw = () => {
    globalThis.requestAnimationFrame = requestAnimationFrame
    held.forEach((run) => requestAnimationFrame(run))
  }
  globalThis.arrived = new Promise((resolve) => {
    globalThis.WebSocket = class extends WebSocket {
      constructor(url) {
        super(url)
        this.addEventListener("message", ({ data }) => data.includes("the end of the flood") && resolve())
      }
    }
  })
}`

/** The contrast of each text on the page with what is behind it (WCAG 2.2, 1.4.3). */
const CONTRASTS = `{
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const luminance = (color, behind) => {
    for (const style of [behind, color]) {
      canvas.fillStyle = style
      canvas.fillRect(0, 0, 1, 1)
    }
    const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data, (value) => {
      const c = value / 255
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const backgroundOf = (element) => {
    const color = getComputedStyle(element).backgroundColor
    return color === "rgba(0, 0, 0, 0)" ? backgroundOf(element.parentElement) : color
  }
  Array.from(document.querySelectorAll("h1, #status, .from, bdi, time, #about-name, button"))
    .filter((element) => element.checkVisibility() && element.textContent !== "")
    .map((element) => {
      const behind = backgroundOf(element)
      const [a, b] = [luminance(getComputedStyle(element).color, behind), luminance(behind, behind)]
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    })
}`
