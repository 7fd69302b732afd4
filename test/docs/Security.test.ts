import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { publicPoints } from "../../src/commands/publicPoints.ts"
import { decode, keys } from "../../src/config/ServerConfig.ts"
import { ROOT } from "../support/Package.ts"

const text = readFileSync(join(ROOT, "docs/security.md"), "utf8")

describe("docs/security.md", () => {
  it("names only keys of the configuration that exist", () => {
    const paths = new Set(keys().flatMap(({ path }) => [path, path.slice(path.lastIndexOf(".") + 1)]))
    const named = [...text.matchAll(/`((?:hyper_parameters|tls|admin|logger|otlp)\.[a-z_.]+|[a-z]+(?:_[a-z]+)+)`/g)]
    assert.isAbove(named.length, 20)
    for (const [, name] of named) if (name !== "remote_addr") assert.isTrue(paths.has(name!), name)
  })

  it("lists what check --public looks at", () => {
    const [list] = text.split("\n## Do not trust")
    assert.deepStrictEqual(
      [...list!.matchAll(/^- `([a-z_.]+)`:/gm)].map(([, path]) => path),
      publicPoints.map(({ path }) => path)
    )
  })

  it("says what was tried, and how to try it again", () => {
    const [, tried] = /\n## What was tried\n([^]*?)\n## /.exec(text)!
    assert.isAbove(tried!.match(/^- .+ \((?:the same|`.+`)\)$/gm)!.length, 12)
  })

  it.effect("recommends a configuration that the server accepts", () =>
    Effect.gen(function* () {
      const [, json] = /```json\n([^`]+)```/.exec(text)!
      const { values, warnings } = yield* decode(JSON.parse(json!), "docs/security.md")
      assert.deepStrictEqual(warnings, [])
      assert.deepStrictEqual(
        publicPoints.filter(({ isMet }) => !isMet(values)),
        []
      )
    })
  )
})
