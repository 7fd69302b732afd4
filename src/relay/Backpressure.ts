import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../ServerConfig.ts"

/**
 * What a line does to its sender. `pass`: nothing. `throttle`: it waits before its next line. `flow_control`: it is not
 * read for a longer while. `disconnect`: the line is not relayed, and the sender is closed and quarantined.
 */
export type Verdict = "pass" | "throttle" | "flow_control" | "disconnect"

const from = (enabled: boolean, threshold: number) => (enabled ? threshold : Infinity)

/**
 * Slows down the senders of a large room (contract, section 3; seed, "Backpressure signal"). The decision depends on the
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
    /** How long a sender waits after `throttle`, in milliseconds. */
    readonly throttleMillis: number
    /** How long a sender is not read after `flow_control`, in milliseconds. */
    readonly flowControlMillis: number
  }
>()("summoner-server/Backpressure") {
  /** The severest enabled action whose threshold the fan-out has reached. */
  static readonly layer = Layer.effect(
    Backpressure,
    Effect.gen(function* () {
      const { backpressure_policy: policy, ...hyperParameters } = (yield* ServerConfig).hyper_parameters
      const throttle = from(policy.enable_throttle, policy.throttle_threshold)
      const flowControl = from(policy.enable_flow_control, policy.flow_control_threshold)
      const disconnect = from(policy.enable_disconnect, policy.disconnect_threshold)
      const mildest = Math.min(throttle, flowControl, disconnect)
      return Backpressure.of({
        decideUnsafe: (fanOut) => {
          if (fanOut < mildest) return "pass"
          if (fanOut >= disconnect) return "disconnect"
          return fanOut >= flowControl ? "flow_control" : "throttle"
        },
        throttleMillis: hyperParameters.throttle_delay_ms,
        flowControlMillis: hyperParameters.flow_control_delay_ms
      })
    })
  )

  /** Every line passes. */
  static readonly layerDisabled = Layer.succeed(Backpressure, {
    decideUnsafe: () => "pass",
    throttleMillis: 0,
    flowControlMillis: 0
  })
}
