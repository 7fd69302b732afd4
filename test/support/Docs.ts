import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { ROOT } from "./Package.ts"

/** The pages of the documentation that people read, by their path in the checkout. */
export const PAGES = [
  "README.md",
  "SECURITY.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`)
]

export const page = (path: string): string => readFileSync(join(ROOT, path), "utf8")

/** The anchors of a page's headings, as GitHub makes them. */
export const anchors = (path: string): ReadonlySet<string> =>
  new Set(
    Array.from(page(path).matchAll(/^#+ (.*)$/gm), ([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")
    )
  )

/** The lines below a heading, up to the next heading of any level; a wrapped one is one. */
const linesBelow = (path: string, heading: string): ReadonlyArray<string> => {
  const text = page(path)
  const start = text.indexOf(`\n${heading}\n`)
  if (start === -1) throw new Error(`${path} has no heading ${JSON.stringify(heading)}`)
  const [section = ""] = text.slice(start + heading.length + 2).split(/^#/m)
  return section.replace(/\n {2}(?=\S)/g, " ").split("\n")
}

/** An entry of a list: "- `name`, `name` (notes): meaning". */
export interface Entry {
  readonly names: ReadonlyArray<string>
  readonly notes: string | undefined
  readonly meaning: string
}

/** The entries of the lists below a heading. */
export const entriesBelow = (path: string, heading: string): ReadonlyArray<Entry> =>
  linesBelow(path, heading).flatMap((line) => {
    const [, names, notes, meaning = ""] = /^- ((?:`[^`]+`(?:, )?)+)(?: \(([^)]*)\))?(?:: (.*))?$/.exec(line) ?? []
    return names === undefined ? [] : [{ names: code(names), notes, meaning }]
  })

/** What is between backticks. */
export const code = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/`([^`]+)`/g), ([, inner]) => inner!)
