import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"

/** No test decides by time: only one that hangs meets the limit, on the slowest machine too. */
const TIMEOUT_MILLIS = 180_000

const BROWSER = ["test/admin/DashboardInBrowser.test.ts", "test/e2e/Browser.test.ts"]

/** The package as it is installed, and what its documentation shows. */
const PACKAGE = ["test/package/**/*.test.ts", "test/docs/Snippets.test.ts", "test/docs/Examples.test.ts"]

/** Real components and built programs beside the relay. */
const COMPONENTS = [
  "test/bus/NatsBus.test.ts",
  "test/bus/NatsFiles.test.ts",
  "test/deploy/**/*.test.ts",
  "test/e2e/**/*.test.ts",
  "test/scripts/**/*.test.ts"
]

/** They fill the machine, and look at what a process needs of it. */
const ALONE = ["test/faults/**/*.test.ts", "test/bench/**/*.test.ts", "test/e2e/Workers.test.ts"]

/**
 * Files of a project share its workers, and with them the modules that each has loaded: loading Effect anew for each file takes
 * longer than most tests.
 */
const project = (
  name: string,
  groupOrder: number,
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
    testTimeout: TIMEOUT_MILLIS,
    hookTimeout: TIMEOUT_MILLIS,
    sequence: { groupOrder }
  }
})

export default defineConfig({
  test: {
    projects: [
      project("quick", 0, 3, ["test/**/*.test.ts"], [...BROWSER, ...PACKAGE, ...COMPONENTS, ...ALONE]),
      project("components", 1, 3, COMPONENTS, [...BROWSER, ...ALONE]),
      project("package", 2, 2, PACKAGE, [], ["test/support/ProjectSetup.ts"]),
      project("browser", 3, 1, BROWSER, [], ["test/support/ChromiumServer.setup.ts"]),
      project("alone", 4, 1, ALONE)
    ]
  }
})
