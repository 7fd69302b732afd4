/** Starts the one browser of a test run: starting it takes longer than most of the tests. */
import type { TestProject } from "vitest/node"
import * as Chromium from "./Chromium.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Where to connect to the browser; absent where the machine has none. */
    readonly chromium?: string
  }
}

export default async ({ provide }: TestProject) => {
  if (!Chromium.hasChromium) return
  const server = await Chromium.launchServer()
  provide("chromium", server.wsEndpoint())
  return () => server.close()
}
