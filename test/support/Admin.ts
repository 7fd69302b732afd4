import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Cli from "./Cli.ts"

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

/** Asks for something; the connection is gone when the scope closes. */
export const open = (url: string, options: RequestInit = {}): Effect.Effect<Response, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    ),
    ({ signal }) => Effect.promise(() => fetch(url, { ...options, signal }))
  )
