import * as Effect from "effect/Effect"
import type { IdleTimeout, Watched } from "./IdleTimeout.ts"

/** Runs sessions, each with its client in `watched` meanwhile. */
export const watchIn =
  (watched: Set<Watched>): IdleTimeout["Service"]["watch"] =>
  (client, session) =>
    Effect.suspend(() => {
      watched.add(client)
      return session
    }).pipe(Effect.ensuring(Effect.sync(() => watched.delete(client))))
