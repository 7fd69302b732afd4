import { assert, describe, it } from "@effect/vitest"
import { defaults } from "../../src/config/ServerConfig.ts"
import { plan, remarkOnOne } from "../../src/workers/threadCount.ts"

const planned = (worker_threads: number, cores: number) =>
  plan({ hyper_parameters: { ...defaults.hyper_parameters, worker_threads } }, cores)

describe("plan", () => {
  it("is what was configured, up to one for each core", () => {
    assert.deepStrictEqual(planned(1, 1), { count: 1, remark: undefined })
    assert.deepStrictEqual(planned(2, 2), { count: 2, remark: undefined })
    assert.deepStrictEqual(planned(2, 8), { count: 2, remark: undefined })
  })

  it("never has more than there are cores, and says so", () => {
    assert.deepStrictEqual(planned(4, 2), {
      count: 2,
      remark: "worker_threads: 4 configured, 2 run: this machine has 2 cores"
    })
    assert.deepStrictEqual(planned(4, 1), {
      count: 1,
      remark: "worker_threads: 4 configured, 1 runs: this machine has 1 core"
    })
  })

  it("is one where a program runs the server", () => {
    const remark = (worker_threads: number) =>
      remarkOnOne({ hyper_parameters: { ...defaults.hyper_parameters, worker_threads } })
    assert.isUndefined(remark(1))
    assert.strictEqual(
      remark(4),
      "worker_threads: 4 configured, 1 runs: only the command line program runs several processes"
    )
  })
})
