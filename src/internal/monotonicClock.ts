import type * as Clock from "effect/Clock"

/** Milliseconds of the monotonic clock, for durations: unaffected by changes of the time of day and by suspending the machine. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
