import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { check } from "../../src/commands/check.ts"
import { init } from "../../src/commands/init.ts"
import { presetNames } from "../../src/commands/presets.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"

const read = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe("init", () => {
  it.effect("writes a configuration that passes check without a remark", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { error, stdout } = yield* Commands.run(init, [], { cwd })
      assert.isUndefined(error)
      assert.match(stdout, /^Wrote server\.json, and server\.schema\.json/)

      const config = JSON.parse(read(cwd, "server.json"))
      assert.containsAllKeys(config, ["$schema", "host", "port", "version", "logger", "hyper_parameters"])
      assert.strictEqual(read(cwd, config.$schema), readFileSync("server.schema.json", "utf8"))

      const checked = yield* Commands.run(check, ["--json"], { cwd })
      const { file, notes, origins, valid, warnings } = JSON.parse(checked.stdout)
      assert.deepStrictEqual(
        { file, notes, valid, warnings },
        { file: "server.json", notes: [], valid: true, warnings: [] }
      )
      assert.isAbove(Object.values(origins).filter((origin) => origin === "file").length, 7)
    })
  )

  it.effect.each(presetNames)(
    "writes for %s what passes check without a remark, and bans nobody for speaking",
    (preset) =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make()
        assert.isUndefined((yield* Commands.run(init, ["--preset", preset], { cwd })).error)
        const { stdout } = yield* Commands.run(check, ["--json"], { cwd })
        const { notes, values, valid, warnings } = JSON.parse(stdout)
        assert.deepStrictEqual({ notes, valid, warnings }, { notes: [], valid: true, warnings: [] })
        assert.isFalse(values.hyper_parameters.backpressure_policy.enable_disconnect)
      })
  )

  it.effect("writes to no pipe and no device, also if it is forced", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      symlinkSync("/dev/null", join(cwd, "server.json"))
      assert.strictEqual((yield* Commands.run(init, ["--force"], { cwd })).error, "server.json is no regular file")
    })
  )

  it.effect("writes where it is told, with directories", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      const { error, stdout } = yield* Commands.run(init, ["etc/relay/prod.json"], { cwd })
      assert.isUndefined(error)
      assert.include(stdout, "summoner-server --config etc/relay/prod.json")
      assert.sameMembers(readdirSync(join(cwd, "etc/relay")), ["prod.json", "server.schema.json"])
    })
  )

  it.effect("overwrites without asking if it is forced", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ "server.json": "mine" })
      assert.isUndefined((yield* Commands.run(init, ["--force"], { cwd })).error)
      assert.notStrictEqual(read(cwd, "server.json"), "mine")
    })
  )

  it.effect("says in one line why it cannot write", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make({ taken: "a file" })
      const { error } = yield* Commands.run(init, ["taken/server.json"], { cwd })
      assert.match(error!, /^cannot write taken\/server\.schema\.json: .*$/)
    })
  )
})
