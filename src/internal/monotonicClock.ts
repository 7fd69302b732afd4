import type * as Clock from "effect/Clock"

/**
 * Milliseconds since some moment in the past, for measuring durations: unlike the time of day, never set back or forward, not
 * even when a suspended machine resumes.
 */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
