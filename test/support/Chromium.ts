import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type ConsoleMessage,
  type LaunchOptions,
  type Page,
  type Request
} from "playwright-core"
import type { Made } from "./OnDemand.setup.ts"
import { PATIENCE } from "./patience.ts"

/** The browser that the machine has: the one without windows takes less time. */
const EXECUTABLE = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium-headless-shell",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
]
  .filter((path) => path !== undefined)
  .find((path) => existsSync(path))

export const hasChromium = EXECUTABLE !== undefined

/** For the names of tests that are skipped. */
export const withChromium = hasChromium ? "" : " (skipped: this machine has no Chromium; CHROMIUM may name one)"

/**
 * The pages behind the address bar: they take each window more than a second of processor time. With them what Playwright disables, since only
 * the last list counts.
 */
const DISABLED_FEATURES = [
  "WebUIOmniboxAimPopup",
  "WebUIOmniboxPopup",
  "AimEnabled",
  "AvoidCorsURLLoaderRestartOnRedirect",
  "AvoidUnnecessaryBeforeUnloadCheckSync",
  "DestroyProfileOnBrowserClose",
  "HttpsFirstBalancedModeAutoEnable",
  "HttpsUpgrades",
  "LensOverlay",
  "MediaRouter",
  "NetworkTimeServiceQuerying",
  "OptimizationHints",
  "PaintHolding",
  "PreconnectToSearch",
  "ThirdPartyStoragePartitioning"
]

/**
 * Pages are laid out, run and hit as ever, and canvases drawn, but the window gets no picture: that would be a sixth of the browser's processor
 * time on pages like the dashboard. With it what Playwright sets, since only the last list counts.
 */
const UNSEEN =
  "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4,acceleratedCompositingEnabled=false"

const options = (...more: ReadonlyArray<string>): LaunchOptions => ({
  executablePath: EXECUTABLE!,
  headless: true,
  timeout: Duration.toMillis(PATIENCE),
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--disable-features=${DISABLED_FEATURES.join(",")}`,
    ...more
  ]
})

/** Errors that a page in order does not have. */
export interface Complaints {
  /** Uncaught exceptions. */
  readonly thrown: ReadonlyArray<string>
  /** Errors in the console, violations of the content security policy among them. */
  readonly errors: ReadonlyArray<string>
  /** Requests to other hosts than those of the pages that were opened. */
  readonly foreign: ReadonlyArray<string>
}

export interface Watched {
  readonly page: Page
  readonly complaints: Complaints
}

/** Starts a browser of which nobody wants a picture, for other processes to connect to: where they do. */
export const launchServer = async (): Promise<Made<string>> => {
  const server = await chromium.launchServer(options(UNSEEN))
  return { value: server.wsEndpoint(), remove: () => server.close() }
}

/** Connects to a browser that another process has started. The browser stays when the scope closes. */
export const connect = (endpoint: string): Effect.Effect<Browser, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => chromium.connect(endpoint, { timeout: Duration.toMillis(PATIENCE) })),
    (browser) => Effect.promise(() => browser.close())
  )

/** Starts a browser; it is gone when the scope closes. */
export const launch: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => chromium.launch(options())),
  (browser) => Effect.promise(() => browser.close())
)

/** A profile of its own in the browser: other contexts share no storage with it. It is gone when the scope closes. */
export const context = (
  browser: Browser,
  options: BrowserContextOptions = {}
): Effect.Effect<BrowserContext, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const context = await browser.newContext(options)
      context.setDefaultTimeout(Duration.toMillis(PATIENCE))
      return context
    }),
    (context) => Effect.promise(() => context.close())
  )

/** Records the errors on a page, until the scope closes. */
export const watched = (page: Page): Effect.Effect<Watched, never, Scope.Scope> => {
  const complaints = { thrown: [] as Array<string>, errors: [] as Array<string>, foreign: [] as Array<string> }
  let host: string | undefined
  const onError = (error: Error) => void complaints.thrown.push(String(error))
  const onConsole = (message: ConsoleMessage) => {
    if (message.type() === "error") complaints.errors.push(message.text())
  }
  const onRequest = (request: Request) => {
    const url = new URL(request.url())
    if (request.isNavigationRequest()) host = url.host
    else if (url.host !== host && url.protocol !== "data:") complaints.foreign.push(request.url())
  }
  return Effect.acquireRelease(
    Effect.sync(() => {
      page.on("pageerror", onError).on("console", onConsole).on("request", onRequest)
      return { page, complaints }
    }),
    () => Effect.sync(() => page.off("pageerror", onError).off("console", onConsole).off("request", onRequest))
  )
}

/** Opens an empty page, which is gone with its context, and records the errors on it. */
export const page = (context: BrowserContext): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.promise(() => context.newPage()),
    watched
  )

/** An action of the browser that a test waits for. */
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
