import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/CurrentConfig.ts"

/**
 * What a line does to its sender. `pass`: nothing. `throttle`: it waits before its next line. `flow_control`: it is not
 * read for a longer while. `disconnect`: the line is not relayed, and the sender is closed and quarantined.
 */
export type Verdict = "pass" | "throttle" | "flow_control" | "disconnect"

/**
 * Slows down the senders of a large room (docs/operating.md). The decision depends on the
 * fan-out alone and is taken, and applied, in the sender's own fiber: no report of it can be lost, and other senders
 * notice nothing.
 */
export class Backpressure extends Context.Service<
  Backpressure,
  {
    /**
     * Plain code, because it is asked for every line.
     *
     * @param fanOut the number of other clients the line would reach
     */
    readonly decideUnsafe: (fanOut: number) => Verdict
    /** The wait of a sender after `throttle`. */
    readonly throttle: Effect.Effect<void>
    /** The wait of a sender after `flow_control`. */
    readonly flowControl: Effect.Effect<void>
  }
>()("summoner-server/Backpressure") {
  /** The severest enabled action whose threshold the fan-out has reached. */
  static readonly layer = Layer.effect(
    Backpressure,
    Effect.map(ServerConfig, ({ hyper_parameters }) => {
      const policy = hyper_parameters.backpressure_policy
      return Backpressure.of({
        decideUnsafe: (fanOut) => {
          if (policy.enable_disconnect && fanOut >= policy.disconnect_threshold) return "disconnect"
          if (policy.enable_flow_control && fanOut >= policy.flow_control_threshold) return "flow_control"
          if (policy.enable_throttle && fanOut >= policy.throttle_threshold) return "throttle"
          return "pass"
        },
        throttle: Effect.suspend(() => Effect.sleep(hyper_parameters.throttle_delay_ms)),
        flowControl: Effect.suspend(() => Effect.sleep(hyper_parameters.flow_control_delay_ms))
      })
    })
  )

  /** Every line passes. */
  static readonly layerDisabled = Layer.succeed(Backpressure, {
    decideUnsafe: () => "pass",
    throttle: Effect.void,
    flowControl: Effect.void
  })
}
