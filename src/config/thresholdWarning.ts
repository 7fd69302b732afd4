import { profileOf, type Values } from "./CurrentConfig.ts"

/** What the thresholds of backpressure will do to senders once the room is large enough; empty if they disconnect nobody. */
export const thresholdWarning = ({ hyper_parameters, version }: Values): ReadonlyArray<string> => {
  const { backpressure_policy, max_clients, quarantine_cooldown_secs, quarantine_scope } = hyper_parameters
  const { disconnect_threshold, enable_disconnect, enable_throttle, throttle_threshold } = backpressure_policy
  if (profileOf(version) === "python" || !enable_disconnect || disconnect_threshold >= max_clients) return []
  const slower =
    enable_throttle && throttle_threshold < disconnect_threshold
      ? `from ${throttle_threshold} other clients on a sender waits between its lines, and `
      : ""
  const ban =
    quarantine_cooldown_secs === 0
      ? "is disconnected"
      : `is disconnected and its ${quarantine_scope === "ip" ? "IP address" : "address"} banned for ${quarantine_cooldown_secs} s`
  return [
    `backpressure_policy: ${slower}from ${disconnect_threshold} on it ${ban}; "enable_disconnect": false, or a higher threshold, keeps large rooms talking`
  ]
}
