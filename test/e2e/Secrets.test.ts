import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { groupOf, only } from "../../src/config/ConfigPath.ts"
import * as ConfigSources from "../../src/config/ConfigSources.ts"
import { keys, merge } from "../../src/config/ServerConfig.ts"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"

const SECRET = "kw7Gh2pQzR"
const OTHER = "Zx81LmNo4v"

const secretPaths = keys().flatMap(({ isSecret, path }) => (isSecret ? [path] : []))

/** A value with a secret in it that the key takes. */
const valid = (path: string, secret: string): string =>
  path === "cluster.nats.servers" ? `nats://${secret}@127.0.0.1:9` : secret

const assertHidden = (text: string) => {
  for (const secret of [SECRET, OTHER]) assert.notInclude(text, secret)
}

/** A configuration with a secret in every key that may have one. */
const everySecret = secretPaths.reduce<object>((config, path) => merge(config, only(path, valid(path, SECRET))), {})

describe.concurrent("no secret of any key is shown", () => {
  it.live("by a server that starts at DEBUG, is reloaded with mistakes, and stops", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": everySecret })
      const server = yield* Cli.listening([], { cwd })
      for (const path of secretPaths) {
        for (const next of [
          only(path, valid(path, OTHER)),
          only(path, `${SECRET} ${OTHER}`),
          only(groupOf(path), SECRET)
        ]) {
          const before = server.output().length
          writeFileSync(join(cwd, "server.json"), JSON.stringify(next))
          server.process.kill("SIGHUP")
          yield* server.printed(
            new RegExp(`^[^]{${before}}[^]*configuration(?::| not reloaded:)[^\\n]*(?:->|found)[^\\n]*\\n`)
          )
        }
      }
      server.process.kill("SIGTERM")
      assert.deepInclude(yield* server.exit, { code: 0 })
      assertHidden(server.output())
    })
  )

  it.live("by a server that cannot start because of them", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const variables = secretPaths.map(ConfigSources.variableOf)
      const env = Object.fromEntries(
        variables.flatMap((name) => [
          [name, `${SECRET} ${OTHER}`],
          [`${name}X`, SECRET]
        ])
      )
      const program = yield* Cli.start([], { cwd, env })
      assert.deepInclude(yield* program.exit, { code: 1 })
      for (const name of Object.keys(env)) assert.include(program.output(), `${name}: expected`)
      assertHidden(program.output())
    })
  )
})
