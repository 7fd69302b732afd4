import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as TestConsole from "effect/testing/TestConsole"
import { chmodSync } from "node:fs"
import { join } from "node:path"
import { check } from "../../src/commands/check.ts"
import * as Directory from "./Directory.ts"

interface Checked {
  readonly notes: ReadonlyArray<{ readonly path: string; readonly reason: string }>
  readonly warnings: ReadonlyArray<string>
}

/** Sets variables of this process, until the scope closes. */
const withVariables = (env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => Object.assign(process.env, env)),
    () =>
      Effect.sync(() => {
        for (const name of Object.keys(env)) delete process.env[name]
      })
  )

/** What `check --json` prints of this `server.json` and these variables, in this process. */
export const json = Effect.fnUntraced(function* (
  content: unknown,
  { env = {}, mode }: { readonly env?: Readonly<Record<string, string>>; readonly mode?: number } = {}
) {
  const directory = yield* Directory.make({ "server.json": content })
  const file = join(directory, "server.json")
  if (mode !== undefined) chmodSync(file, mode)
  yield* withVariables(env)
  const console = yield* TestConsole.make
  yield* Command.runWith(check, { version: "" })(["--json", "--config", file]).pipe(
    Effect.provideService(Console.Console, console),
    Effect.provide(NodeServices.layer)
  )
  const printed = (yield* console.logLines).join("\n").replaceAll(file, "server.json")
  return JSON.parse(printed) as Checked
}, Effect.scoped)
