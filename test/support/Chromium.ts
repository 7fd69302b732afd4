import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import * as Directory from "./Directory.ts"

/** The browser that the machine has. */
const EXECUTABLE = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .filter((path) => path !== undefined)
  .find((path) => existsSync(path))

export const hasChromium = EXECUTABLE !== undefined

/** For the names of tests that are skipped. */
export const withChromium = hasChromium ? "" : " (skipped: this machine has no Chromium; CHROMIUM may name one)"

/** How long a test waits for what it expects of a page, in milliseconds. */
const PATIENCE_MILLIS = 10_000

/** What must not happen on a page that is in order. */
export interface Complaints {
  /** Exceptions that nobody caught. */
  readonly thrown: ReadonlyArray<string>
  /** What the console says is an error, violations of the content security policy among it. */
  readonly errors: ReadonlyArray<string>
  /** Requests to other hosts than those of the pages that were opened. */
  readonly foreign: ReadonlyArray<string>
}

export interface Watched {
  readonly page: Page
  readonly complaints: Complaints
}

/** Starts a browser with a profile of its own; it is gone when the scope closes. */
export const launch = (options: BrowserContextOptions = {}): Effect.Effect<BrowserContext, never, Scope.Scope> =>
  Effect.flatMap(Directory.make(), (profile) =>
    Effect.acquireRelease(
      Effect.promise(() =>
        chromium.launchPersistentContext(profile, {
          executablePath: EXECUTABLE!,
          headless: true,
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync"
          ],
          ...options
        })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  )

/** Opens an empty page and watches what goes wrong on it; it is gone when the scope closes. */
export const page = (browser: BrowserContext): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const page = await browser.newPage()
      page.setDefaultTimeout(PATIENCE_MILLIS)
      const complaints = { thrown: [] as Array<string>, errors: [] as Array<string>, foreign: [] as Array<string> }
      let host: string | undefined
      page.on("pageerror", (error) => complaints.thrown.push(String(error)))
      page.on("console", (message) => {
        if (message.type() === "error") complaints.errors.push(message.text())
      })
      page.on("request", (request) => {
        const url = new URL(request.url())
        if (request.isNavigationRequest()) host = url.host
        else if (url.host !== host && url.protocol !== "data:") complaints.foreign.push(request.url())
      })
      return { page, complaints }
    }),
    ({ page }) => Effect.promise(() => page.close())
  )

/** What a browser has to do that a test waits for. */
export const does = <A>(action: () => Promise<A>): Effect.Effect<A> => Effect.promise(action)

/** A web site of one page, until the scope closes. */
export const site = (page: string | Uint8Array) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly origin: string; readonly close: () => void }>((resume) => {
      const server = createServer((_, response) => {
        response.setHeader("Content-Type", "text/html; charset=utf-8").end(page)
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => void server.close().closeAllConnections()
        resume(Effect.succeed({ origin: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
