import { expect, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { entries, ROOT } from "../support/Package.ts"

/** Declarations that public ones refer to are part of them. */
const reachable = (root: string) => {
  const found = new Set<string>()
  const visit = (path: string) => {
    if (found.has(path)) return
    found.add(path)
    for (const [, relative] of readFileSync(join(root, path), "utf8").matchAll(/(?:from |import\()"(\.[^"]+)\.ts"/g)) {
      visit(normalize(join(dirname(path), `${relative}.d.ts`)))
    }
  }
  for (const { types } of entries) visit(normalize(types).replace(/^dist\//, ""))
  return [...found].toSorted()
}

/** What a declaration says, without how it is explained. */
const withoutComments = (text: string) => text.replace(/^\s*(?:\/\*[^]*?\*\/|\/\/.*)\n/gm, "")

// Beside this file, in `api/`, are the declarations of the package without their comments. A change of the public types is a
// change there, for review to see; `vitest -u` writes it.
it("the public types of the package are those in test/package/api", async () => {
  const root = join(ROOT, "dist")
  const paths = reachable(root)
  for (const path of paths) {
    const declarations = withoutComments(readFileSync(join(root, path), "utf8"))
    await expect(declarations).toMatchFileSnapshot(`api/${path}`)
  }
  const kept = readdirSync(new URL("api/", import.meta.url), { recursive: true, encoding: "utf8" })
  expect(kept.filter((path) => path.endsWith(".ts")).toSorted()).toEqual(paths)
})
