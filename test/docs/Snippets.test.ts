import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { snippets } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"
import type { Ended } from "../support/Tools.ts"

it("the documentation has snippets", () => {
  assert.isAtLeast(snippets.length, 7)
})

describe.each(["NodeNext", "bundler"] as const)("the types of a snippet are right with %s", (resolution) => {
  it.each(snippets)("$name", ({ file }) => {
    assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
  })
})

const programs = snippets.filter(({ file }) => !file.endsWith(".test.ts"))

describe("a snippet runs, and prints what the page says", () => {
  // One after the other in one process, which takes most of its time to load what they import. None of them ends it.
  const END = "END OF A SNIPPET"
  const program = programs.map(({ file }) => `await import("./${file}"); console.log("${END}")`).join("\n")
  let ended: Ended

  beforeAll(async () => {
    ended = await Effect.runPromise(Project.node("--input-type=module", "--eval", program))
  })

  it("to the end of the last one", () => {
    assert.deepInclude(ended, { code: 0, stderr: "" }, ended.stdout)
    assert.lengthOf(ended.stdout.split(END), programs.length + 1)
  })

  it.each(programs)("$name", (snippet) => {
    const printed = ended.stdout.split(END)[programs.indexOf(snippet)]!
    const lines = printed.split("\n")
    let from = 0
    for (const line of snippet.prints) {
      const at = lines.indexOf(line, from)
      assert.isAtLeast(at, from, `${JSON.stringify(line)} is missing in:\n${printed}`)
      from = at + 1
    }
  })
})
