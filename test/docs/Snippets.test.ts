import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { snippets } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"

it("the documentation has snippets", () => {
  assert.isAtLeast(snippets.length, 8)
})

describe.each(["NodeNext", "bundler"] as const)("the types of a snippet are right with %s", (resolution) => {
  it.each(snippets)("$name", ({ file }) => {
    assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
  })
})

const programs = snippets.filter(({ file }) => !file.endsWith(".test.ts"))

describe.concurrent("a snippet runs, and prints what the page says", () => {
  it.effect.each(programs)("$name", ({ file, prints }) =>
    Effect.gen(function* () {
      const ended = yield* Project.node(file)
      assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
      const lines = ended.stdout.split("\n")
      let from = 0
      for (const line of prints) {
        const at = lines.indexOf(line, from)
        assert.isAtLeast(at, from, `${JSON.stringify(line)} is missing in:\n${ended.stdout}`)
        from = at + 1
      }
    })
  )
})
