import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core"
import * as Chromium from "./Chromium.ts"
import * as OnDemand from "./OnDemand.ts"

const VIEWPORT = { width: 1280, height: 720 }

/** Makes of a page what it was when it was opened. */
const empty = async (page: Page) => {
  await page.unrouteAll({ behavior: "ignoreErrors" })
  await page.evaluate("localStorage.clear(); sessionStorage.clear()")
  await page.goto("about:blank")
  await page.setViewportSize(VIEWPORT)
  await page.emulateMedia({ colorScheme: "light" })
}

/** The browser of the test run. */
export class SharedBrowser extends Context.Service<
  SharedBrowser,
  { readonly browser: Browser; readonly context: BrowserContext; readonly unused: Array<Page> }
>()("test/support/SharedBrowser") {
  /** For tests that are skipped where the machine has no Chromium. */
  static readonly layer = Layer.effect(
    SharedBrowser,
    Effect.gen(function* () {
      const browser = yield* Chromium.connect(yield* Effect.promise(() => OnDemand.ask("chromium")))
      return { browser, context: yield* Chromium.context(browser, { viewport: VIEWPORT }), unused: [] }
    })
  )

  /** An empty page in a context of its own, which shares no storage with others. It is gone when the scope closes. */
  static readonly ownPage = Effect.fnUntraced(function* (options?: BrowserContextOptions) {
    const { browser } = yield* SharedBrowser
    return yield* Chromium.page(yield* Chromium.context(browser, options))
  })

  /**
   * An empty page, which another test has when the scope closes, unless it hangs: opening one takes the browser longer than most tests. Pages
   * of one server share their storage.
   */
  static readonly page = Effect.gen(function* () {
    const { context, unused } = yield* SharedBrowser
    const page = yield* Effect.acquireRelease(
      Effect.promise(async () => unused.pop() ?? context.newPage()),
      (page) => Effect.promise(async () => void unused.push((await empty(page), page)))
    )
    return yield* Chromium.watched(page)
  })

  /**
   * Opens a site on a page. When the scope closes, nothing must have gone wrong on it.
   *
   * @param expected errors in the console that are no fault
   */
  static readonly open = Effect.fnUntraced(function* (
    { complaints, page }: Chromium.Watched,
    url: string,
    expected = /^$/
  ) {
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        assert.deepStrictEqual(complaints.thrown, [])
        assert.deepStrictEqual(
          complaints.errors.filter((error) => !expected.test(error)),
          []
        )
        assert.deepStrictEqual(complaints.foreign, [])
      })
    )
    yield* Effect.promise(() => page.goto(url))
    return page
  })
}

/** Runs a script before those of the page, until the scope closes. */
export const before = (page: Page, script: string) =>
  Effect.acquireRelease(
    Effect.promise(() => page.addInitScript(script)),
    (added) => Effect.promise(() => added.dispose())
  )
