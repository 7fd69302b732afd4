import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Notice from "../../src/protocol/Notice.ts"
import { ROOT } from "../support/Package.ts"

const notices = Object.values<unknown>(Notice).filter((value) => typeof value === "string")

describe("docs/protocol.md", () => {
  it.each(notices)("has the notice %j", (notice) => {
    assert.include(readFileSync(join(ROOT, "docs/protocol.md"), "utf8"), notice.trimEnd())
  })
})
