import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { type Browser, chromium } from "playwright-core"

const EXECUTABLE = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
  .filter((path) => path !== undefined)
  .find((path) => existsSync(path))

export const hasChromium = EXECUTABLE !== undefined

/** For the names of tests that are skipped. */
export const withChromium = hasChromium ? "" : " (skipped: this machine has no Chromium; CHROMIUM may name one)"

/** It has nothing to do but what a test says, and the user that runs tests may be root. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/** Starts Chromium without a window, with a profile of its own; it is gone when the scope closes. */
export const launch = Effect.acquireRelease(
  Effect.promise((): Promise<Browser> => chromium.launch({ executablePath: EXECUTABLE!, args: ARGUMENTS })),
  (browser) => Effect.promise(() => browser.close())
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
