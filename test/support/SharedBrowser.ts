import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Browser } from "playwright-core"
import { inject } from "vitest"
import * as Chromium from "./Chromium.ts"

/** The browser of the test run. Each test has a context of its own in it. */
export class SharedBrowser extends Context.Service<SharedBrowser, Browser>()("test/support/SharedBrowser") {
  /** For tests that are skipped where the machine has no Chromium. */
  static readonly layer = Layer.effect(
    SharedBrowser,
    Effect.suspend(() => {
      const endpoint = inject("chromium")
      return endpoint === undefined ? Effect.die("no browser was started") : Chromium.connect(endpoint)
    })
  )

  /** A new context, until the scope closes. */
  static readonly newContext = Effect.flatMap(SharedBrowser, (browser) => Chromium.context(browser))
}
