import * as Effect from "effect/Effect"
import { access, constants, readFile } from "node:fs/promises"
import type { Problem } from "../ConfigReport.ts"
import type { Values } from "../ServerConfig.ts"

/**
 * Reads the files that a connection to NATS needs.
 *
 * @returns the credentials, if any; fails with what cannot be read
 */
export const load = Effect.fnUntraced(function* ({ credentials, tls }: Values["cluster"]["nats"]) {
  for (const [key, path] of Object.entries(tls)) {
    if (path !== null) yield* readable(`tls.${key}`, path, () => access(path, constants.R_OK))
  }
  return credentials === null ? undefined : yield* readable("credentials", credentials, () => readFile(credentials))
})

const readable = <A>(key: string, path: string, read: () => Promise<A>) =>
  Effect.tryPromise({
    try: read,
    catch: (cause): Problem => ({
      path: `cluster.nats.${key}`,
      expected: "a file that can be read",
      found: `${path}: ${(cause as NodeJS.ErrnoException).code}`,
      hint: ""
    })
  })
