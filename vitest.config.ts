import { fileURLToPath } from "node:url"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"

/** No test decides by time: only one that hangs meets the limit, on the slowest machine too. */
const TIMEOUT_MILLIS = 180_000

const BROWSER = ["test/admin/DashboardInBrowser.test.ts", "test/e2e/Browser.test.ts"]

/** The package as it is installed, and what its documentation shows. */
const PACKAGE = ["test/package/Package.test.ts", "test/docs/Snippets.test.ts", "test/docs/Examples.test.ts"]

/** Built programs, threads, real components beside them, and the faults that clients and systems commit. */
const COMPONENTS = [
  "test/bench/**/*.test.ts",
  "test/bus/NatsBus.test.ts",
  "test/bus/NatsFiles.test.ts",
  "test/bus/ThreadBus.test.ts",
  "test/client/Backpressure.test.ts",
  "test/client/Reconnect.test.ts",
  "test/client/Terminal.test.ts",
  "test/commands/Connect.test.ts",
  "test/deploy/**/*.test.ts",
  "test/e2e/**/*.test.ts",
  "test/faults/**/*.test.ts",
  "test/limits/SharedLimits.test.ts",
  "test/scripts/**/*.test.ts",
  "test/threads/Threads.test.ts"
]

/**
 * Files of a project share its workers, and with them the modules that each has loaded: loading Effect anew for each file takes
 * longer than most tests.
 *
 * @param maxWorkers a few for two cores, as most tests wait for something most of the time; but starting another takes seconds of one
 */
const project = (
  name: string,
  maxWorkers: number,
  include: Array<string>,
  exclude: Array<string> = [],
  globalSetup: Array<string> = []
): TestProjectInlineConfiguration => ({
  test: {
    name,
    include,
    exclude,
    globalSetup,
    maxWorkers,
    isolate: false,
    // Most processes that tests start load the same code.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("node_modules/.cache/node", import.meta.url)) },
    testTimeout: TIMEOUT_MILLIS,
    hookTimeout: TIMEOUT_MILLIS
  }
})

export default defineConfig({
  test: {
    projects: [
      project("quick", 3, ["test/**/*.test.ts"], [...BROWSER, ...PACKAGE, ...COMPONENTS]),
      project("components", 4, COMPONENTS, BROWSER),
      project("package", 1, PACKAGE, [], ["test/support/ProjectSetup.ts"]),
      project("browser", 1, BROWSER, [], ["test/support/ChromiumServer.setup.ts"])
    ]
  }
})
