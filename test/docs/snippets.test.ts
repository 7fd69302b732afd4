import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Package, RESOLUTIONS, ROOT } from "../support/Package.ts"

interface Snippet {
  readonly name: string
  readonly code: string
  /** Lines it prints, among others, in this order. */
  readonly prints: ReadonlyArray<string>
}

/** Every TypeScript block of a page, with the text block that follows it, if one does at once. */
const snippetsOf = (page: string): ReadonlyArray<Snippet> =>
  Array.from(
    readFileSync(join(ROOT, page), "utf8").matchAll(/^```ts\n([^]*?)^```\n(?:\n```text\n([^]*?)^```\n)?/gm),
    ([, code, output], i) => ({
      name: `${page}, snippet ${i + 1}`,
      code: code!,
      prints: (output ?? "").split("\n").filter((line) => line !== "")
    })
  )

const snippets = ["README.md", "docs/embedding.md"].flatMap(snippetsOf)

layer(Package.layer, { timeout: 60_000 })("the documentation", (it) => {
  describe("types", () => {
    it.effect.each(Object.keys(RESOLUTIONS) as Array<keyof typeof RESOLUTIONS>)("are right with %s", (resolution) =>
      Effect.gen(function* () {
        const { check, write } = yield* Package
        assert.isAtLeast(snippets.length, 8)
        const names = snippets.map((_, i) => `snippet${i}.ts`)
        for (const [i, { code }] of snippets.entries()) yield* write(names[i]!, code)
        assert.deepStrictEqual(yield* check(resolution, ...names), { code: 0, stdout: "", stderr: "" })
      })
    )
  })

  describe("snippets", () => {
    for (const { code, name, prints } of snippets) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const { node, write } = yield* Package
          const isTest = code.includes('"@effect/vitest"')
          const file = isTest ? "snippet.test.ts" : "snippet.ts"
          yield* write(file, code)
          const ended = yield* isTest ? node("node_modules/vitest/vitest.mjs", "run", file) : node(file)
          assert.strictEqual(ended.code, 0, ended.stdout + ended.stderr)
          if (isTest) return
          const lines = ended.stdout.split("\n")
          let from = 0
          for (const line of prints) {
            const at = lines.indexOf(line, from)
            assert.isAtLeast(at, from, `${JSON.stringify(line)} is missing in:\n${ended.stdout}`)
            from = at + 1
          }
        })
      )
    }
  })
})
