import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ReloadHooks from "../../src/config/ReloadHooks.ts"

describe("a reload", () => {
  it.effect("does again what is registered, in order, until its scope ends", () =>
    Effect.gen(function* () {
      const { reload, service } = ReloadHooks.make()
      const done: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(service.onReload(Effect.sync(() => done.push("files"))), scope)
      yield* service.onReload(Effect.sync(() => done.push("others")))
      yield* reload
      assert.deepStrictEqual(done, ["files", "others"])
      yield* Scope.close(scope, Exit.void)
      yield* reload
      assert.deepStrictEqual(done, ["files", "others", "others"])
    })
  )

  it.effect("is nothing that a program without one has to care for", () =>
    Effect.gen(function* () {
      const { onReload } = yield* ReloadHooks.ReloadHooks
      yield* onReload(Effect.die("never"))
    })
  )
})
