import { assert, describe, it } from "@effect/vitest"
import { problemsOf } from "../../scripts/folders.ts"

describe("the folder check", () => {
  it("lets a file import from its own folder and from below", () => {
    assert.deepStrictEqual(
      problemsOf("session/A.ts", 'import { b } from "./B.ts"\nimport type { C } from "../room/C.ts"'),
      []
    )
  })

  it.each([
    ["an import from above", "room/A.ts", 'import { b } from "../session/B.ts"', "session stands above room"],
    ["a type from above", "limits/A.ts", 'import type { B } from "../room/B.ts"', "room stands above limits"],
    ["a lazy import from above", "bus/A.ts", 'const b = import("../telemetry/B.ts")', "telemetry stands above bus"],
    ["an import from beside", "bus/A.ts", 'export { b } from "../transport/tls/B.ts"', "transport stands beside bus"],
    [
      "an import of a server in a client",
      "client/A.ts",
      'import { b } from "../room/B.ts"',
      "room stands above client"
    ],
    ["a folder without a floor", "attic/A.ts", "", "attic has no floor"]
  ])("names the rule that %s breaks", (_, path, source, rule) => {
    const [problem, ...others] = problemsOf(path, source)
    assert.include(problem, rule)
    assert.include(problem, `src/${path}`)
    assert.deepStrictEqual(others, [])
  })
})
