import { fileURLToPath } from "node:url"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"

// Workers, and the processes and threads that tests start, load the same code.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("node_modules/.cache/node", import.meta.url))

/** No test decides by time: only one that hangs meets the limit, on the slowest machine too. */
const TIMEOUT_MILLIS = 180_000

/** Built programs, threads, pages in a browser, real components, the installed package, and the faults that clients and systems commit. */
const COMPONENTS = [
  "test/**/*InBrowser.test.ts",
  "test/bench/**/*.test.ts",
  "test/bus/NatsBus.test.ts",
  "test/bus/NatsFiles.test.ts",
  "test/bus/NatsSession.test.ts",
  "test/bus/ThreadBus.test.ts",
  "test/client/Schemes.test.ts",
  "test/commands/Connect.test.ts",
  "test/commands/Top.test.ts",
  "test/commands/connect/Backpressure.test.ts",
  "test/commands/connect/Reconnect.test.ts",
  "test/commands/connect/Streams.test.ts",
  "test/commands/connect/Terminal.test.ts",
  "test/deploy/**/*.test.ts",
  "test/docs/Clients.test.ts",
  "test/docs/Examples.test.ts",
  "test/docs/Snippets.test.ts",
  "test/e2e/**/*.test.ts",
  "test/faults/**/*.test.ts",
  "test/limits/SharedLimits.test.ts",
  "test/package/**/*.test.ts",
  "test/scripts/**/*.test.ts",
  "test/threads/Threads.test.ts",
  "test/transport/websocket/ChatPage.test.ts"
]

/**
 * Of both projects together, whose files run one after the other: while tests of components wait for processes, others use the cores. Each
 * worker loads the modules of a project anew, which takes seconds of processor time.
 */
const WORKERS = 3

/**
 * Files of a project share its workers, and with them the modules that each has loaded: loading Effect anew for each file takes
 * longer than most tests.
 */
const project = (
  name: string,
  include: Array<string>,
  exclude: Array<string> = [],
  globalSetup: Array<string> = []
): TestProjectInlineConfiguration => ({
  test: {
    name,
    include,
    exclude,
    globalSetup,
    maxWorkers: WORKERS,
    isolate: false,
    testTimeout: TIMEOUT_MILLIS,
    hookTimeout: TIMEOUT_MILLIS
  }
})

export default defineConfig({
  test: {
    projects: [
      project("quick", ["test/**/*.test.ts"], COMPONENTS),
      project("components", COMPONENTS, [], ["test/support/OnDemand.setup.ts"])
    ]
  }
})
