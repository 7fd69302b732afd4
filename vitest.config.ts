import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

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

/** While tests of components wait for processes, others use the cores. */
const WORKERS = 5

/** Those that wait longest, the longest first. */
const LONGEST = [
  "test/bus/NatsBus.test.ts",
  "test/e2e/HangingFiles.test.ts",
  "test/admin/DashboardInBrowser.test.ts",
  "test/threads/Threads.test.ts",
  "test/faults/SlowReaders.test.ts",
  "test/e2e/Browser.test.ts",
  "test/faults/Connections.test.ts",
  "test/faults/HungRelay.test.ts",
  "test/e2e/ForgedFrames.test.ts",
  "test/chat/ChatInBrowser.test.ts",
  "test/deploy/Proxies.test.ts",
  "test/faults/Endings.test.ts",
  "test/faults/HealthyReaders.test.ts"
].map((path) => fileURLToPath(new URL(path, import.meta.url)))

/**
 * Starts one of these among every four files, on a new checkout, too, of which Vitest does not know how long its files take: none is left at
 * the end, and never do all workers wait.
 */
class LongestEarly extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const sorted = await super.sort(files)
    const longest = LONGEST.flatMap((path) => sorted.filter(({ moduleId }) => moduleId === path))
    const others = sorted.filter(({ moduleId }) => !LONGEST.includes(moduleId))
    return sorted.flatMap((_, i) => [...longest.slice(i, i + 1), ...others.slice(3 * i, 3 * i + 3)])
  }
}

/** `--mode quick` leaves out the components. */
export default defineConfig(({ mode }) => ({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: mode === "quick" ? COMPONENTS : [],
    globalSetup: mode === "quick" ? [] : ["test/support/OnDemand.setup.ts"],
    maxWorkers: WORKERS,
    sequence: { sequencer: LongestEarly },
    // Files share a worker, and with it the modules that it has loaded: loading Effect anew for each takes longer than most tests.
    isolate: false,
    testTimeout: TIMEOUT_MILLIS,
    hookTimeout: TIMEOUT_MILLIS
  }
}))
