import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Backpressure, type Verdict } from "../../src/limits/Backpressure.ts"
import { ServerConfig } from "../../src/config/ServerConfig.ts"

const off = null

/** Thresholds of throttle, flow control and disconnect, and what a fan-out then means. */
const table: ReadonlyArray<
  readonly [
    thresholds: readonly [number | null, number | null, number | null],
    verdicts: ReadonlyArray<readonly [fanOut: number, verdict: Verdict]>
  ]
> = [
  [
    [100, 300, 500],
    [
      [0, "pass"],
      [99, "pass"],
      [100, "throttle"],
      [299, "throttle"],
      [300, "flow_control"],
      [499, "flow_control"],
      [500, "disconnect"],
      [1_000_000, "disconnect"]
    ]
  ],
  // In odd order the severest that is reached counts.
  [
    [500, 300, 100],
    [
      [99, "pass"],
      [100, "disconnect"],
      [500, "disconnect"]
    ]
  ],
  [
    [300, 100, 500],
    [
      [99, "pass"],
      [100, "flow_control"],
      [300, "flow_control"],
      [500, "disconnect"]
    ]
  ],
  [
    [1, 1, 1],
    [
      [0, "pass"],
      [1, "disconnect"]
    ]
  ],
  [
    [off, 300, 500],
    [
      [299, "pass"],
      [300, "flow_control"],
      [500, "disconnect"]
    ]
  ],
  [
    [100, off, 500],
    [
      [99, "pass"],
      [300, "throttle"],
      [500, "disconnect"]
    ]
  ],
  [
    [100, 300, off],
    [
      [100, "throttle"],
      [300, "flow_control"],
      [1_000_000, "flow_control"]
    ]
  ],
  [
    [100, off, off],
    [
      [99, "pass"],
      [1_000_000, "throttle"]
    ]
  ],
  [
    [off, off, 500],
    [
      [499, "pass"],
      [500, "disconnect"]
    ]
  ],
  [[off, off, off], [[1_000_000, "pass"]]],
  [
    [4_294_967_295, 4_294_967_295, 4_294_967_295],
    [
      [4_294_967_294, "pass"],
      [4_294_967_295, "disconnect"]
    ]
  ]
]

describe("Backpressure", () => {
  for (const [thresholds, verdicts] of table) {
    it.effect(`throttle, flow control, disconnect at ${thresholds.map((n) => n ?? "off").join(", ")}`, () =>
      Effect.gen(function* () {
        const { decideUnsafe } = yield* Backpressure
        for (const [fanOut, verdict] of verdicts) assert.strictEqual(decideUnsafe(fanOut), verdict, `at ${fanOut}`)
      }).pipe(
        Effect.provide(
          Layer.provide(
            Backpressure.layer,
            ServerConfig.layerTest({
              hyper_parameters: {
                backpressure_policy: {
                  enable_throttle: thresholds[0] !== off,
                  throttle_threshold: thresholds[0] ?? 1,
                  enable_flow_control: thresholds[1] !== off,
                  flow_control_threshold: thresholds[1] ?? 1,
                  enable_disconnect: thresholds[2] !== off,
                  disconnect_threshold: thresholds[2] ?? 1
                }
              }
            })
          )
        )
      )
    )
  }

  it.effect("waits as long as configured", () =>
    Effect.gen(function* () {
      const { flowControl, throttle } = yield* Backpressure
      for (const [wait, millis] of [
        [throttle, 7],
        [flowControl, 8]
      ] as const) {
        const fiber = yield* Effect.forkChild(wait, { startImmediately: true })
        yield* TestClock.adjust(millis - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        assert.isDefined(fiber.pollUnsafe())
      }
    }).pipe(
      Effect.provide(
        Layer.provide(
          Backpressure.layer,
          ServerConfig.layerTest({ hyper_parameters: { throttle_delay_ms: 7, flow_control_delay_ms: 8 } })
        )
      )
    )
  )

  it.effect("disabled lets every line pass", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Backpressure).decideUnsafe(4_294_967_295), "pass")
    }).pipe(Effect.provide(Backpressure.layerDisabled))
  )
})
