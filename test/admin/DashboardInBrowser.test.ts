import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type axe from "axe-core"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { Page } from "playwright-core"
import type * as AdminApi from "../../src/admin/AdminApi.ts"
import * as Admin from "../support/Admin.ts"
import * as Chromium from "../support/Chromium.ts"
import * as Forwarder from "../support/Forwarder.ts"
import { ROOT } from "../support/Package.ts"
import { before, SharedBrowser } from "../support/SharedBrowser.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** What runs in the browser sees its page; this project is checked without the types of one. */
interface PageElement {
  readonly id: string
  readonly textContent: string
  readonly scrollWidth: number
  readonly clientWidth: number
  readonly outerHTML: string
  readonly value: string
  readonly getAttribute: (name: string) => string
  readonly setAttribute: (name: string, value: string) => void
  readonly offsetLeft: number
  readonly offsetTop: number
  readonly offsetWidth: number
  readonly offsetHeight: number
  readonly querySelector: (selector: string) => PageElement
  readonly querySelectorAll: (selector: string) => ArrayLike<PageElement>
  readonly getContext: (kind: "2d") => {
    readonly getImageData: (x: number, y: number, width: number, height: number) => { readonly data: Uint8Array }
  }
}
declare const document: PageElement & {
  readonly documentElement: PageElement
  readonly body: PageElement
  readonly activeElement: PageElement | null
}
declare const getComputedStyle: (element: PageElement) => Readonly<Record<string, string>>
declare const innerWidth: number

/** The longest of the pauses of the dashboard that tests need not wait for; longer ones are limits. */
const LONGEST_PAUSE_MILLIS = 2000

/** Shortens the pauses of a page, like the seconds of its server. */
const HASTEN = `{
  const { setTimeout } = globalThis
  globalThis.setTimeout = (run, millis = 0) =>
    setTimeout(run, millis <= ${LONGEST_PAUSE_MILLIS} ? millis / ${Admin.HASTE} : millis)
}`

/** As a browser does whose user lets sites store nothing. */
const BLOCK_STORAGE = `for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(globalThis, name, { get: () => { throw new DOMException("blocked", "SecurityError") } })`

/** A browser reads it in half the time of the one with comments. */
const AXE = readFileSync(join(ROOT, "node_modules/axe-core/axe.min.js"), "utf8")

const MARKUP = `<img src=x onerror="document.title='markup'"><script>document.title='markup'</script>`

/**
 * Opens the dashboard of a server.
 *
 * @param expected errors in the console: the browser tells of every answer that is not what was asked for
 */
const open = Effect.fnUntraced(function* (url: string, expected?: RegExp) {
  const watched = yield* SharedBrowser.page
  yield* before(watched.page, HASTEN)
  return yield* SharedBrowser.open(watched, url, expected)
})

const REFUSED = /^Failed to load resource: the server responded with a status of 4\d\d/

/** Runs steps in a browser one after another. */
const steps = (run: () => Promise<unknown>) => Effect.promise(run)

/** Waits until something on the page has a text. */
const text = (page: Page, selector: string, expected: string | RegExp) =>
  page.locator(selector).filter({ hasText: expected }).first().waitFor()

const row = (page: Page, address: string) => page.locator("#clients tr").filter({ hasText: address })

const tile = (page: Page, name: string) =>
  page
    .locator("#tiles > div")
    .filter({ has: page.locator("dt", { hasText: new RegExp(`^${name}$`) }) })
    .locator(".value")

const giveToken = async (page: Page, token = Admin.TOKEN) => {
  await page.getByRole("dialog", { name: "Token" }).getByLabel("Token").fill(token)
  await page.getByRole("button", { name: "Use it" }).click()
}

layer(SharedBrowser.layer, { excludeTestServices: true })(
  `the dashboard in a browser${Chromium.withChromium}`,
  (it) => {
    const live = (name: string, run: () => Effect.Effect<void, unknown, SharedBrowser | Scope.Scope>) =>
      it.effect(name, run, { skip: !Chromium.hasChromium })

    live("shows what happens when it happens", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const page = yield* open(server.url)
        yield* steps(async () => {
          await text(page, "#connection", "live")
          await text(page, "#state", "ready")
          await text(page, "#clients-empty", "No clients are connected.")
        })
        const a = yield* TcpClient.connect(server.port)
        const b = yield* TcpClient.connect(server.port)
        yield* TcpClient.settled(b, a)
        // What clients say is none of the page's business, whatever it looks like.
        const talk = setInterval(() => a.send(`${MARKUP}\n`), 10)
        yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(talk)))
        yield* steps(async () => {
          for (const name of ["Lines in", "Deliveries"]) {
            await tile(page, name)
              .filter({ hasText: /^[1-9][\d,.]*\/s$/ })
              .waitFor()
          }
          await tile(page, "Out")
            .filter({ hasText: /^[1-9][\d,.]* (B|KiB)\/s$/ })
            .waitFor()
          await tile(page, "Latency p99")
            .filter({ hasText: /^[\d.]+ ms$/ })
            .waitFor()
          await tile(page, "Memory").filter({ hasText: /MiB$/ }).waitFor()
          await text(page, "#events", new RegExp(`${a.address} connected`))
          await row(page, a.address).filter({ hasText: "active" }).waitFor()
          // Every plot draws what it says, and every tile has its course.
          await page.locator('.spark path[d*="L"]').first().waitFor()
          assert.strictEqual(await page.locator(".spark path[d^=M]").count(), 12)
          await text(page, "#name", "MyServer")
          await text(page, "#about", `up `)
          await text(page, "#about", `tcp://127.0.0.1:${server.port}`)
          const plots = page.getByRole("img")
          assert.strictEqual(await plots.count(), 3)
          await page.getByRole("img", { name: "clients 2," }).waitFor()
          await page.getByRole("img", { name: /lines in [1-9]/ }).waitFor()
          await page.waitForFunction(() =>
            Array.from(document.querySelectorAll(".plots figure")).every((figure) => {
              const { offsetHeight, offsetLeft, offsetTop, offsetWidth } = figure.querySelector(".u-over")
              const canvas = figure.querySelector("canvas").getContext("2d")
              const { data } = canvas.getImageData(offsetLeft, offsetTop, offsetWidth, offsetHeight + 2)
              // The second curve, which may hide the first, and be half below the axis.
              const colour = getComputedStyle(figure.querySelector(".second"))["color"]!.match(/\d+/g)!.map(Number)
              const isCurve = (at: number) => colour.every((value, i) => Math.abs(value - data[at + i]!) < 60)
              return Array.from({ length: data.length / 4 }, (_, i) => 4 * i).some(isCurve)
            })
          )
          await page.getByText("As a table").first().click()
          await text(page, ".plots tbody td", "/s")
        })
        clearInterval(talk)
        yield* steps(async () => {
          // While the page still remembers the lines of the last minute.
          assert.isTrue(
            await page.evaluate(
              `new Promise((resolve) => {
                const tile = [...document.querySelectorAll("#tiles > div")]
                  .find((tile) => tile.querySelector("dt").textContent === "Lines in")
                const value = tile.querySelector(".value")
                const check = () => {
                  // Of a course that was never above zero no point is at the top.
                  if (value.textContent === "0/s") resolve(tile.querySelector("path").getAttribute("d").includes(" 0.0"))
                }
                new MutationObserver(check).observe(value, { childList: true, characterData: true, subtree: true })
                check()
              })`
            )
          )
          assert.strictEqual(await page.locator("img, :not(body) > script").count(), 0)
          assert.match(await page.title(), /^2 clients, ready/)
        })
      })
    )

    live("finds and sorts clients", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const clients = yield* Effect.forEach([1, 2, 3], (n) =>
          TcpClient.connect(server.port, { localAddress: `127.0.0.${n}` })
        )
        yield* server.logged(/\(3 clients\)/)
        clients[1]!.send("one\ntwo\n")
        clients[0]!.send("one\n")
        yield* clients[2]!.lines(3)
        const page = yield* open(server.url)
        yield* steps(async () => {
          const order = (...expected: ReadonlyArray<number>) =>
            page.waitForFunction(
              (addresses) =>
                Array.from(
                  document.querySelectorAll("#clients tr > :first-child"),
                  (cell) => cell.textContent
                ).join() === addresses.join(),
              expected.map((i) => clients[i]!.address)
            )
          const head = (name: string) => page.getByRole("columnheader", { name })
          await page.getByRole("button", { name: "Lines in" }).click()
          await order(1, 0, 2)
          assert.strictEqual(await head("Lines in").getAttribute("aria-sort"), "descending")
          await page.getByRole("button", { name: "Lines in" }).click()
          await order(2, 0, 1)
          assert.strictEqual(await head("Lines in").getAttribute("aria-sort"), "ascending")
          await page.getByRole("button", { name: "Client" }).click()
          await order(0, 1, 2)
          assert.strictEqual(await page.locator("[aria-sort]").count(), 1)
          await page.getByLabel("Search clients").fill("127.0.0.2:")
          await order(1)
          await text(page, "#clients-shown", "1 found among 3")
          await page.getByLabel("Search clients").fill("nobody")
          await text(page, "#clients-empty", "No client matches the search.")
        })
      })
    )

    live("offers to sort by what the server can sort by", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        yield* TcpClient.connect(server.port)
        const page = yield* open(server.url)
        yield* steps(async () => {
          await page.route("**/api/clients?*", async (route) => {
            const response = await route.fetch()
            const answer: { clients?: ReadonlyArray<object> } = await response.json()
            const clients = answer.clients?.map((client) => ({ ...client, subject: "CN=a", transport: "websocket" }))
            await route.fulfill({ response, json: { ...answer, clients } })
          })
          const answers = (isOther: (url: string) => boolean) =>
            page.waitForResponse((response) => response.url().includes("/api/clients?") && isOther(response.url()))
          let last = await answers(() => true)
          await page.getByRole("columnheader", { name: "Certificate" }).waitFor()
          const heads = await page.locator("#clients-head button").all()
          assert.isAbove(heads.length, 5)
          for (const head of heads) {
            const before = last.url()
            const [answer] = await Promise.all([answers((url) => url !== before), head.click()])
            assert.strictEqual(answer.status(), 200, (await head.textContent())!)
            last = answer
          }
          await page.unrouteAll({ behavior: "wait" })
        })
      })
    )

    live("disconnects a client, with the token, which it can forget", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const a = yield* TcpClient.connect(server.port)
        const page = yield* open(server.url, REFUSED)
        yield* steps(async () => {
          await page.getByRole("button", { name: `Disconnect ${a.address}` }).click()
          await page.getByLabel("Notice").fill(MARKUP)
          await page.getByLabel("Quarantine the client").check()
          await page.getByRole("button", { name: "Disconnect", exact: true }).click()
          await giveToken(page, "wrong")
          await text(page, "#token-dialog .problem", "The server does not accept this token.")
          await giveToken(page)
          await text(page, "#message", `${a.address} is disconnected and quarantined.`)
          await text(page, "#clients-empty", "No clients are connected.")
          await text(page, "#events", `${a.address} disconnected by an operator or the program, and quarantined`)
          await text(page, "#quarantine", "127.0.0.1")
          await text(page, "#totals", "disconnected by an operator or the program")
          assert.notInclude(page.url(), Admin.TOKEN)
          assert.include(await page.evaluate(() => JSON.stringify(sessionStorage)), Admin.TOKEN)
          assert.notInclude(
            await page.evaluate(
              () =>
                JSON.stringify(localStorage) +
                document.documentElement.outerHTML +
                document.querySelector("#token-input").value
            ),
            Admin.TOKEN
          )
          await page.getByRole("button", { name: "Forget token" }).click()
          await page.getByRole("button", { name: "Enter token" }).waitFor()
          assert.strictEqual(await page.evaluate(() => sessionStorage.length), 0)
          // Reading is free, and nobody is asked for a token again.
          await text(page, "#connection", "live")
          assert.strictEqual(await page.locator("dialog[open]").count(), 0)
        })
        assert.deepStrictEqual(yield* a.rest, [`Warning: ${MARKUP}`])
      })
    )

    live("quarantines and lifts, and says why it cannot", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const page = yield* open(server.url, REFUSED)
        const field = page.getByLabel("Address to quarantine")
        yield* steps(async () => {
          await field.fill(MARKUP)
          await field.press("Enter")
          await giveToken(page)
          const problem = page
            .locator("#quarantine-problem[role=alert]")
            .filter({ hasText: "cannot be quarantined: expected an IP address" })
          await problem.waitFor()
          assert.include((await problem.textContent())!, JSON.stringify(MARKUP))
          await field.fill("10.1.2.3")
          await page.getByRole("button", { name: "Quarantine", exact: true }).click()
          await text(page, "[aria-live=polite] #message-text", "10.1.2.3 is quarantined.")
          assert.strictEqual(await problem.count(), 0)
          await page.getByRole("button", { name: "Lift the quarantine of 10.1.2.3" }).click()
          await text(page, "#message", "10.1.2.3 may come back.")
          await text(page, "#quarantine-empty", "No addresses are quarantined.")
          assert.strictEqual(await page.locator("img").count(), 0)
          assert.match(await page.title(), /MyServer$/)
        })
      })
    )

    live("drains, and takes new clients again", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const page = yield* open(server.url, REFUSED)
        const readiness = Effect.promise(async () => (await fetch(`${server.url}/readyz`)).status)
        yield* steps(async () => {
          await page.getByRole("button", { name: "Drain" }).click()
          await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click()
          await giveToken(page)
          await text(page, "#state", "draining")
        })
        assert.strictEqual(yield* readiness, 503)
        yield* steps(async () => {
          await page.getByRole("button", { name: "Accept new clients" }).click()
          await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click()
          await page.getByRole("button", { name: "Accept new clients" }).click()
          await page.getByRole("dialog").getByRole("button", { name: "Accept new clients" }).click()
          await text(page, "#state", "ready")
        })
        assert.strictEqual(yield* readiness, 200)
      })
    )

    live("says that actions are off where no token is configured", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start({ token: null })
        const page = yield* open(server.url, REFUSED)
        yield* steps(async () => {
          await page.getByRole("button", { name: "Drain" }).click()
          await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click()
          await text(page, "#drain-dialog .problem", "actions are off: they need admin.token in the configuration")
        })
      })
    )

    live("asks for the token where reading needs it, once", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start({ host: "0.0.0.0" })
        const page = yield* open(server.url, REFUSED)
        yield* steps(async () => {
          const cancel = page.getByRole("dialog", { name: "Token" }).getByRole("button", { name: "Cancel" })
          await cancel.waitFor()
          // The time that a person thinks about it is not the time that the server takes: the next question does not come
          // a minute later. That minute has no end here.
          await page.evaluate(() => {
            const { setTimeout } = globalThis
            const now = performance.now.bind(performance)
            performance.now = () => now() + 60_000
            const endless = (run: () => void, millis: number) =>
              setTimeout(run, millis >= 60_000 ? 2 ** 31 - 1 : millis)
            globalThis.setTimeout = endless as typeof setTimeout
          })
          await cancel.click()
          await text(page, "#connection", "a token is needed")
          // It goes on trying, but does not ask again.
          for (let refused = 0; refused < 2; refused++) {
            const answer = await page.waitForResponse((response) => response.url().includes("/api/clients"))
            assert.strictEqual(answer.status(), 401)
          }
          assert.strictEqual(await page.locator("dialog[open]").count(), 0)
          await page.getByRole("button", { name: "Enter token" }).click()
          await giveToken(page)
          await text(page, "#connection", "live")
          await text(page, "#clients-empty", "No clients are connected.")
        })
      })
    )

    live("finds the server again after a restart", () =>
      Effect.gen(function* () {
        const address = yield* Forwarder.make
        const before = yield* Admin.start()
        address.target(before.relay.adminAddress!.port)
        const page = yield* open(`http://127.0.0.1:${address.port}`, /^Failed to load resource: net::ERR_/)
        yield* steps(() => text(page, "#connection", "live"))
        address.target(undefined)
        yield* before.stop
        yield* steps(() => text(page, "#connection", "connection lost, trying again"))
        const after = yield* Admin.start()
        address.target(after.relay.adminAddress!.port)
        yield* TcpClient.connect(after.port)
        yield* steps(async () => {
          await text(page, "#connection", "live")
          await tile(page, "Clients").filter({ hasText: /^1$/ }).waitFor()
        })
      })
    )

    live("can be used with the keyboard alone", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const a = yield* TcpClient.connect(server.port)
        const page = yield* open(server.url)
        const name = `Disconnect ${a.address}`
        const isFocused = (label: string) =>
          page.waitForFunction((label) => document.activeElement?.getAttribute("aria-label") === label, label)
        yield* steps(async () => {
          await page.getByRole("button", { name }).waitFor()
          const passed: Array<string> = []
          while ((await page.evaluate(() => document.activeElement?.getAttribute("aria-label"))) !== name) {
            await page.keyboard.press("Tab")
            passed.push(await page.evaluate(() => document.activeElement?.textContent ?? ""))
            assert.isBelow(passed.length, 40, passed.join(", "))
          }
          assert.isTrue(await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle !== "none"))
          await page.keyboard.press("Enter")
          await page.getByRole("dialog", { name }).waitFor()
          await page.keyboard.press("Escape")
          await page.getByRole("dialog").waitFor({ state: "detached" })
          await isFocused(name)
        })
        // The table is brought up to date under the focus, with another client before this one.
        yield* TcpClient.connect(server.port)
        yield* steps(async () => {
          await page.waitForFunction(() => document.querySelectorAll("#clients tr").length === 2)
          await isFocused(name)
        })
        // And when the client goes, the focus stays where it was.
        a.socket.end()
        yield* steps(() => page.waitForFunction(() => document.activeElement?.id === "clients-scroll"))
      })
    )

    live("has a name for everything, for those who do not see it", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        yield* TcpClient.connect(server.port)
        const page = yield* open(server.url)
        yield* steps(async () => {
          await page.locator("#clients tr").waitFor()
          const session = await page.context().newCDPSession(page)
          const { nodes } = (await session.send("Accessibility.getFullAXTree")) as {
            nodes: Array<{ ignored: boolean; role?: { value: string }; name?: { value: string } }>
          }
          const named = (role: string) =>
            nodes.filter((node) => !node.ignored && node.role?.value === role).map((node) => node.name?.value ?? "")
          for (const role of [
            "button",
            "searchbox",
            "textbox",
            "table",
            "region",
            "image",
            "heading",
            "columnheader"
          ]) {
            assert.isAbove(named(role).length, 0, role)
            assert.notInclude(named(role), "", `a ${role} without a name`)
          }
          assert.sameMembers(named("heading"), [
            "MyServer",
            "Now",
            "The last fifteen minutes",
            "Lines and deliveries",
            "Latency of relaying",
            "Clients and backlog",
            "Clients",
            "Messages",
            "Incidents and disconnects",
            "Recent events",
            "Quarantine"
          ])
          assert.strictEqual(named("main").length, 1)
          // Only what changes seldom is read aloud.
          assert.deepStrictEqual(
            await page.evaluate(() =>
              Array.from(document.querySelectorAll("[aria-live], [role=status], [role=alert]"), ({ id }) => id).filter(
                Boolean
              )
            ),
            [
              "state",
              "health",
              "connection",
              "announcements",
              "clients-problem",
              "messages-problem",
              "quarantine-problem",
              "quarantine-unread"
            ]
          )
        })
      })
    )

    live("fits on a phone, by day and by night", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        yield* TcpClient.connect(server.port)
        const page = yield* open(server.url)
        yield* steps(async () => {
          await page.setViewportSize({ width: 360, height: 740 })
          await page.locator("#clients tr").waitFor()
          const isWithin = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
          assert.isTrue(await isWithin())
          // Nothing has to be looked for beside the screen.
          assert.deepStrictEqual(
            await page.evaluate(() =>
              Array.from(document.querySelectorAll("main *"))
                .filter(({ clientWidth, scrollWidth }) => clientWidth > 1 && scrollWidth > clientWidth)
                .map(({ id, textContent }) => `${id}: ${textContent}`)
            ),
            []
          )
          assert.include(
            await page.evaluate(
              `getComputedStyle(document.querySelector("#clients [data-title=State]"), "::before").content`
            ),
            "State"
          )
          await page.getByRole("button", { name: "Drain" }).click()
          assert.isTrue(await isWithin())
          await page.keyboard.press("Escape")

          const colours = () =>
            page.evaluate(() => {
              const { backgroundColor, color } = getComputedStyle(document.documentElement)
              return `${color} on ${backgroundColor}`
            })
          await page.emulateMedia({ colorScheme: "light" })
          const day = await colours()
          await page.emulateMedia({ colorScheme: "dark" })
          const night = await colours()
          assert.notStrictEqual(night, day)
          await page.getByRole("button", { name: "Theme: auto" }).click()
          assert.strictEqual(await colours(), day)
          await page.reload()
          await page.getByRole("button", { name: "Theme: light" }).click()
          await page.emulateMedia({ colorScheme: "light" })
          assert.strictEqual(await colours(), night)
          await page.getByRole("button", { name: "Theme: dark" }).click()
        })
      })
    )

    live("makes no markup of anything that a server says", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        yield* TcpClient.connect(server.port)
        const page = yield* open(server.url)
        const ask = async <A>(path: string) => (await (await fetch(server.url + path)).json()) as A
        const stats = yield* Effect.promise(() => ask<typeof AdminApi.Stats.Type>("/api/stats"))
        yield* steps(async () => {
          await page.locator("#clients tr").waitFor()
          const client = {
            ...(await ask<{ readonly clients: ReadonlyArray<typeof AdminApi.Client.Type> }>("/api/clients")).clients[0],
            address: MARKUP,
            subject: MARKUP,
            transport: MARKUP,
            state: MARKUP
          }
          const change = { type: "disconnected", at: stats.at, client, reason: MARKUP }
          const event = (name: string, data: unknown) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
          await page.route("**/api/clients?*", (route) =>
            route.fulfill({ json: { total: 1, matching: 1, clients: [client] } })
          )
          await page.route("**/api/quarantine?*", (route) =>
            route.fulfill({ json: { total: 1, entries: [{ key: MARKUP, remaining_secs: 5 }] } })
          )
          await page.route("**/api/events", (route) =>
            route.fulfill({
              contentType: "text/event-stream",
              body:
                event("stats", {
                  ...stats,
                  state: MARKUP,
                  name: MARKUP,
                  version: MARKUP,
                  listeners: [MARKUP],
                  incidents: { [MARKUP]: 1 },
                  departures: { [MARKUP]: 1 }
                }) +
                event("changes", {
                  changes: [change, { ...change, type: "state" }, { ...change, type: MARKUP }],
                  missed: 3
                })
            })
          )
          await page.reload()
          await text(page, "#clients", MARKUP)
          await text(page, "#quarantine", MARKUP)
          await text(page, "#totals", `disconnected: ${MARKUP}`)
          await text(page, "#state", MARKUP)
          await text(page, "#name", MARKUP)
          await text(page, "#about", MARKUP)
          await text(page, "#events", `disconnected: ${MARKUP}`)
          await text(page, "#events-missed", "3 not shown")
          // Certificates have a column where there are some, and so has how clients came.
          await page.getByRole("columnheader", { name: "Certificate" }).waitFor()
          await page.getByRole("columnheader", { name: "By" }).waitFor()
          await page.getByRole("button", { name: `Disconnect ${MARKUP}` }).click()
          await text(page, "dialog h2", MARKUP)
          assert.strictEqual(await page.locator("img, :not(body) > script").count(), 0)
          assert.notStrictEqual(await page.title(), "markup")
        })
      })
    )

    live("shows, when it is opened, what happened before", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const a = yield* TcpClient.connect(server.port)
        a.send("before\n")
        const entries = Effect.promise(
          async () =>
            (await (await fetch(`${server.url}/api/history`)).json()) as ReadonlyArray<typeof AdminApi.Stats.Type>
        )
        while (!(yield* entries).some(({ lines_in }) => lines_in > 0)) yield* Effect.sleep("100 millis")
        a.socket.end()
        const page = yield* open(server.url)
        yield* steps(async () => {
          await text(page, "#connection", "live")
          await text(page, "#events-empty", "None since this page was opened.")
          await page.getByText("As a table").first().click()
          // The rate between two entries, ten seconds apart.
          await page
            .locator(".plots tbody tr")
            .filter({ hasText: /[\d.]+\/s/ })
            .first()
            .waitFor()
          // Of a course that was never above zero no point is at the top.
          for (const name of ["Lines in", "Clients"]) {
            const course = page.locator("#tiles > div").filter({ hasText: name }).locator('path[d*=" 0.0"]')
            await course.waitFor({ state: "attached" })
          }
        })
      })
    )

    live("works in a browser that lets it store nothing", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const watched = yield* SharedBrowser.ownPage()
        yield* before(watched.page, `${HASTEN}; ${BLOCK_STORAGE}`)
        const page = yield* SharedBrowser.open(watched, server.url, REFUSED)
        yield* steps(async () => {
          await text(page, "#connection", "live")
          await page.getByRole("button", { name: "Theme: auto" }).click()
          await page.getByRole("button", { name: "Theme: light" }).click()
          await text(page, "#theme", "Theme: dark")
          await page.getByRole("button", { name: "Show messages" }).click()
          await giveToken(page)
          await text(page, "#messages-empty", "Waiting for the next message.")
        })
      })
    )

    live("shows the messages of the room to those who have the token, and sends one to every client", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const [a, b] = [yield* TcpClient.connect(server.port), yield* TcpClient.connect(server.port)]
        yield* TcpClient.settled(a, b)
        const page = yield* open(server.url, REFUSED)
        yield* steps(async () => {
          await text(page, "#messages-empty", "reading them needs the token")
          await page.getByRole("button", { name: "Show messages" }).click()
          await giveToken(page)
          await text(page, "#messages-empty", "Waiting for the next message.")
          await page.getByRole("button", { name: "Hide messages" }).waitFor()
        })
        yield* server.logged(/^INFO admin 127.0.0.1: read messages$/)
        a.send(`${MARKUP}\n`)
        a.send(`${"x".repeat(600)}\n`)
        yield* steps(async () => {
          await text(page, "#messages", MARKUP)
          await text(page, "#messages", `${"x".repeat(500)} … 100 characters more`)
          await page.getByLabel("Message to every client").fill("restart at six")
          await page.getByLabel("Sender of the message").fill("operator")
          await page.getByRole("button", { name: "Send" }).click()
          await text(page, "#message", "The message was sent to every client.")
          await text(page, "#messages", "operator restart at six")
        })
        while ((yield* b.line) !== '{"remote_addr":"operator","content":"restart at six"}') continue
        yield* steps(async () => {
          // Without the token they are gone from the page.
          await page.getByRole("button", { name: "Forget token" }).click()
          await page.getByRole("button", { name: "Show messages" }).waitFor()
          assert.strictEqual(await page.locator("#messages li").count(), 0)
          assert.strictEqual(await page.locator("img").count(), 0)
        })
      })
    )

    live("says in words what is wrong, on the tile at fault and at the top", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        const page = yield* open(server.url)
        const stats = yield* Effect.promise(
          async () => (await (await fetch(`${server.url}/api/stats`)).json()) as typeof AdminApi.Stats.Type
        )
        yield* steps(async () => {
          const healthy = { ...stats, state: "ready", memory_bytes: 1e8, event_loop_lag_ms: { p50: 1, p99: 2, max: 3 } }
          let entry: object = healthy
          const show = (change: object) => {
            entry = { ...healthy, ...change }
            return page.reload()
          }
          await page.route("**/api/history", (route) => route.fulfill({ json: [] }))
          await page.route("**/api/events", (route) =>
            route.fulfill({
              contentType: "text/event-stream",
              body: `event: stats\ndata: ${JSON.stringify(entry)}\n\n`
            })
          )
          await show({})
          await text(page, "#health.good", "healthy")
          await show({ event_loop_lag_ms: { p50: 1, p99: 244, max: 300 } })
          await text(page, "#health.warn", "late")
          await text(page, "#tiles .warn", "late: above 100 ms")
          await show({ state: "draining", memory_bytes: 5e8 })
          await text(page, "#health.bad", "closed, big")
          await text(page, "#tiles .bad", "closed: draining, takes no new clients")
          assert.strictEqual(await page.locator("#tiles .warn").count(), 1)
          await page.unrouteAll({ behavior: "wait" })
        })
      })
    )

    live("has no fault that axe finds, on a desk and on a phone, by day and by night", () =>
      Effect.gen(function* () {
        const server = yield* Admin.start()
        yield* TcpClient.connect(server.port)
        yield* Effect.promise(() =>
          fetch(`${server.url}/api/quarantine`, {
            method: "POST",
            headers: { authorization: `Bearer ${Admin.TOKEN}`, "content-type": "application/json" },
            body: JSON.stringify({ key: "10.1.2.3" })
          })
        )
        const page = yield* open(server.url)
        yield* steps(async () => {
          await page.locator("#clients tr").waitFor()
          await page.locator("#quarantine tr").waitFor()
          await text(page, "#connection", "live")
          await page.getByText("As a table").first().click()
          await page.evaluate(AXE)
          const findings = async (within: string, rules: ReadonlyArray<string> | undefined) => {
            const options: axe.RunOptions = { resultTypes: ["violations"], ...(rules && { runOnly: [...rules] }) }
            const { violations } = await page.evaluate<axe.AxeResults>(
              `axe.run(${JSON.stringify(within)}, ${JSON.stringify(options)})`
            )
            return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
          }
          // Day and night differ in colours only, a dialog from the page in what is in it.
          for (const { colorScheme, rules, width } of [
            { width: 1280, colorScheme: "light", rules: undefined },
            { width: 1280, colorScheme: "dark", rules: ["color-contrast"] },
            { width: 360, colorScheme: "dark", rules: undefined }
          ] as const) {
            await page.setViewportSize({ width, height: 800 })
            await page.emulateMedia({ colorScheme })
            assert.deepStrictEqual(await findings("html", rules), [], `${width} px, ${colorScheme}`)
          }
          await page.getByRole("button", { name: /^Disconnect / }).click()
          assert.deepStrictEqual(await findings("dialog[open]", undefined), [])
        })
      })
    )
  }
)
