import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cli from "./Cli.ts"
import * as FastClock from "./FastClock.ts"
import * as Server from "./Server.ts"

/** What `admin.token` is. */
export const TOKEN = "a-token-of-the-tests"

export interface Running extends Cli.Running {
  /** Of the admin server, without a path. */
  readonly url: string
}

/**
 * Starts the built program with an admin server, and waits until both listen.
 *
 * @param env more variables: `SUMMONER_ADMIN_TOKEN: "null"` for a server without actions
 */
export const listening = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = []
): Effect.fn.Return<Running, never, Scope.Scope> {
  const server = yield* Cli.listening(args, {
    env: { SUMMONER_ADMIN_PORT: "0", SUMMONER_ADMIN_TOKEN: TOKEN, ...env }
  })
  const [, url] = yield* server.printed(/admin on (\S+)/)
  return { ...server, url: url! }
})

/** How much faster than others a server and a dashboard of tests live. */
export const HASTE = 4

/**
 * Starts a server of this process with an admin server, on ports that are free. Its seconds are quarters of one: it says its
 * statistics four times as often. Clients may be idle, and in quarantine, for as long as a test lasts.
 */
export const start = Effect.fnUntraced(function* (admin: { readonly host?: string; readonly token?: null } = {}) {
  const clock = yield* FastClock.make(HASTE)
  const hyper_parameters = {
    client_timeout_secs: null,
    quarantine_cooldown_secs: 1_000_000,
    rate_limit_msgs_per_minute: 1_000_000
  }
  const server = yield* Server.start({ hyper_parameters, admin: { port: 0, token: TOKEN, ...admin } }).pipe(
    Effect.provideService(Clock.Clock, clock)
  )
  return { ...server, url: `http://127.0.0.1:${server.relay.adminAddress!.port}` }
})

/** Asks for something; the connection is gone when the scope closes. */
export const open = (url: string, options: RequestInit = {}): Effect.Effect<Response, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    ),
    ({ signal }) => Effect.promise(() => fetch(url, { ...options, signal }))
  )
