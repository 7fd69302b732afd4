/**
 * Makes the pictures of the dashboard in docs: a server with some traffic, sixteen minutes of it, in a browser.
 *
 * `SECONDS=60` for a quick look.
 */
import * as Effect from "effect/Effect"
import { statSync } from "node:fs"
import * as Admin from "../test/support/Admin.ts"
import * as Chromium from "../test/support/Chromium.ts"
import { ROOT } from "../test/support/Package.ts"
import * as TcpClient from "../test/support/TcpClient.ts"

const SECONDS = Number(process.env["SECONDS"] ?? 960)
const CLIENTS = 42

const WORDS = "ship the crates to dock four before noon unless rain delays both trucks and nobody minds".split(" ")

/** What agents say, more or less. */
const line = () =>
  JSON.stringify({
    _version: "1.0",
    _type: ["offer", "status", "plan", "reply"][Math.floor(Math.random() * 4)],
    _payload: {
      price: Math.round(Math.random() * 1000),
      note: Array.from({ length: Math.random() * 120 }, () => WORDS[Math.floor(Math.random() * WORDS.length)]).join(" ")
    }
  })

const act = (url: string, path: string, body: unknown) =>
  Effect.promise(() =>
    fetch(url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${Admin.TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify(body)
    })
  )

const program = Effect.gen(function* () {
  const server = yield* Admin.listening({
    SUMMONER_LOGGER_LOG_LEVEL: "INFO",
    SUMMONER_LOGGER_LOG_KEYS: "[]",
    SUMMONER_HYPER_PARAMETERS_RATE_LIMIT_MSGS_PER_MINUTE: "600",
    SUMMONER_HYPER_PARAMETERS_CLIENT_TIMEOUT_SECS: "600",
    SUMMONER_HYPER_PARAMETERS_QUARANTINE_COOLDOWN_SECS: "3600",
    SUMMONER_HYPER_PARAMETERS_SLOW_CONSUMER_SOFT_LIMIT_BYTES: "65536"
  })
  const viewport = { width: 1280, height: 860 }
  const context = yield* Chromium.context(yield* Chromium.launch, { viewport, colorScheme: "light" })
  const { complaints, page } = yield* Chromium.page(context)
  yield* Effect.promise(() => page.goto(server.url))

  const connect = (n: number) =>
    TcpClient.connect(server.port, { localAddress: `127.${20 + (n % 5)}.${n % 3}.${10 + n}` })
  const clients: Array<TcpClient.TcpClient> = []
  for (let n = 0; n < CLIENTS; n++) clients.push(yield* connect(n))
  // One that talks and does not listen.
  clients[5]!.socket.pause()
  for (const key of ["203.0.113.7", "203.0.113.41", "198.51.100.23"]) {
    yield* act(server.url, "/api/quarantine", { key })
  }

  const from = Date.now()
  const seconds = () => (Date.now() - from) / 1000
  let n = CLIENTS
  let nextLeft = 4
  const traffic = Effect.gen(function* () {
    while (true) {
      // Busier and calmer minutes; one agent that has too much to say.
      const share = 0.06 + 0.04 * Math.sin(seconds() / 25) + (Math.random() < 0.02 ? 0.2 : 0)
      clients.forEach(({ send }, i) => {
        if (Math.random() < (i === 9 ? 0.2 : share)) send(`${line()}\n`)
      })
      // Somebody leaves now and then, somebody comes.
      if (seconds() > nextLeft) {
        nextLeft += 3 + Math.random() * 9
        const leaving = 10 + Math.floor(Math.random() * (clients.length - 10))
        if (Math.random() < 0.5) clients.splice(leaving, 1)[0]!.socket.end()
        else clients.push(yield* connect(n++))
      }
      yield* Effect.sleep("20 millis")
    }
  })
  yield* Effect.forkScoped(Effect.tapCause(traffic, (cause) => Effect.logError("no more traffic", cause)))
  yield* Effect.sleep(SECONDS * 1000)

  const shoot = (name: string) =>
    Effect.promise(async () => {
      const path = `${ROOT}docs/${name}.png`
      await page.screenshot({ path })
      console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`)
    })
  yield* Effect.promise(async () => {
    await page.getByRole("button", { name: "Backlog" }).click()
    await page.locator("[aria-sort=descending]", { hasText: "Backlog" }).waitFor()
    await page.waitForTimeout(2500)
    // A busy machine makes the server late for moments.
    await page.getByText("healthy", { exact: true }).waitFor()
    await page.evaluate("document.activeElement.blur()")
  })
  yield* shoot("dashboard")
  yield* Effect.promise(async () => {
    await page.getByRole("button", { name: "Enter token" }).click()
    await page.getByRole("dialog", { name: "Token" }).getByLabel("Token").fill(Admin.TOKEN)
    await page.getByRole("button", { name: "Use it" }).click()
    await page.getByRole("button", { name: "Show messages" }).click()
    await page.emulateMedia({ colorScheme: "dark" })
    await page.waitForTimeout(6000)
    await page.evaluate("document.activeElement.blur(); scrollTo(0, document.body.scrollHeight)")
  })
  yield* shoot("dashboard-dark")
  yield* Effect.promise(async () => {
    await page.setViewportSize({ width: 375, height: 800 })
    await page.waitForTimeout(2500)
  })
  yield* shoot("dashboard-phone")
  console.log(complaints)
})

await Effect.runPromise(Effect.scoped(program))
