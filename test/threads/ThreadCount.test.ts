import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ServerConfig } from "../../src/config/ServerConfig.ts"
import { Machine, threadCount } from "../../src/threads/threadCount.ts"

const counted = (worker_threads: number, machine: Machine) =>
  threadCount.pipe(
    Effect.provideService(Machine, machine),
    Effect.provide(ServerConfig.layerTest({ hyper_parameters: { worker_threads } }))
  )

const withCores = (cores: number): Machine => ({ cores, sharesPorts: true, heapMebibytes: 4096 })

describe("threadCount", () => {
  it.effect("is what was configured, up to one for each core", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* counted(1, withCores(1)), { count: 1, remark: undefined })
      assert.deepStrictEqual(yield* counted(2, withCores(2)), { count: 2, remark: undefined })
      assert.deepStrictEqual(yield* counted(2, withCores(8)), { count: 2, remark: undefined })
    })
  )

  it.effect("is never above the number of cores, and says so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* counted(4, withCores(2)), {
        count: 2,
        remark: "worker_threads: 4 configured, 2 run: this machine has 2 cores"
      })
      assert.deepStrictEqual(yield* counted(4, withCores(1)), {
        count: 1,
        remark: "worker_threads: 4 configured, 1 runs: this machine has 1 core"
      })
    })
  )

  it.effect("is one where threads cannot share a port, and says so", () =>
    Effect.gen(function* () {
      const machine = { cores: 8, sharesPorts: false, heapMebibytes: 4096 }
      assert.deepStrictEqual(yield* counted(1, machine), { count: 1, remark: undefined })
      assert.deepStrictEqual(yield* counted(4, machine), {
        count: 1,
        remark: `worker_threads: 4 configured, 1 runs: Node.js ${process.versions.node} on ${process.platform} cannot share a port between threads`
      })
    })
  )
})
