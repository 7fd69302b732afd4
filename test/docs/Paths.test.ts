import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as Docs from "../support/Docs.ts"
import { manifest, ROOT } from "../support/Package.ts"

const foldersIn = (path: string) =>
  new Set(
    readdirSync(join(ROOT, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  )

const [folders, modules] = [foldersIn("."), foldersIn("src")]

/** What is built or installed, and a Deployment of Kubernetes. */
const NO_SOURCES = /^(?:dist|node_modules|site\/dist|deploy\/summoner$)/

/** The files and folders of the checkout that a text names: by their paths, or modules as `room/Outbox`. */
const pathsIn = (text: string) =>
  Array.from(text.matchAll(/(?<![\w./@-])\.?[\w-]+\/[\w./*-]*[\w*]/g)).flatMap(([pattern]) => {
    const path = pattern.replace(/[^/]*\*.*/, "")
    const folder = path.slice(0, path.indexOf("/"))
    if (folders.has(folder)) return NO_SOURCES.test(path) ? [] : [path]
    return modules.has(folder) && /\/[A-Z]\w+$/.test(path) ? [`src/${path}.ts`] : []
  })

describe("the files and folders of the checkout", () => {
  it.each([...Docs.PAGES, "CONTRIBUTING.md", "package.json", "vitest.config.ts"])("that %s names exist", (page) => {
    assert.deepStrictEqual(
      pathsIn(Docs.page(page)).filter((path) => !existsSync(join(ROOT, path))),
      []
    )
  })
})

describe("the scripts of npm", () => {
  it.each([...Docs.PAGES, "CONTRIBUTING.md", "package.json", ".ci/run"])("that %s names exist", (page) => {
    const named = Array.from(
      Docs.page(page).matchAll(/\bnpm (?:run (?:--silent )?([\w:]+)|(test|start)\b)/g),
      ([, script, short]) => script ?? short!
    )
    assert.deepStrictEqual(
      named.filter((name) => !(name in manifest.scripts)),
      []
    )
  })
})
