import { defineConfig } from "vitest/config"

/** They fill the machine, and look at what a process needs of it. */
const ALONE = ["test/faults/**/*.test.ts", "test/bench/**/*.test.ts", "test/e2e/workers.test.ts"]

const common = { testTimeout: 20_000 }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "most",
          include: ["test/**/*.test.ts"],
          exclude: ALONE,
          maxWorkers: 3,
          sequence: { groupOrder: 0 }
        }
      },
      { test: { ...common, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } }
    ]
  }
})
