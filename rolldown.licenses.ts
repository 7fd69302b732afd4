import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Plugin } from "rolldown"

/** Licenses that ask for nothing but their text with every copy. */
const ALLOWED = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"]

/** The directories of the packages that these modules are from, each once. */
const packagesOf = (modules: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(
    modules.flatMap(
      (id) => /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/.exec(id.replace(/^\0/, "")) ?? []
    )
  )
]

const noticeOf = (directory: string): string => {
  const { license, name, version } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
  if (!ALLOWED.includes(license)) {
    throw new Error(`${name} has the license ${JSON.stringify(license)}; expected one of ${ALLOWED.join(", ")}`)
  }
  const files = readdirSync(directory).filter((file) => /^(?:licen[cs]e|copying|notice)\b/i.test(file))
  if (files.length === 0) throw new Error(`${name} comes without the text of its license, which a copy of it needs`)
  const texts = files.toSorted().map((file) => readFileSync(join(directory, file), "utf8").trim())
  return [`${name} ${version} (${license})`, ...texts].join("\n\n")
}

/**
 * The licenses of what was bundled from other packages, as their copies must have them.
 *
 * @param modules paths of the modules
 * @returns throws for a package whose license is not one that can be bundled so, or that has no text of it
 */
export const noticesOf = (modules: ReadonlyArray<string>): string =>
  ["This program contains code of the following packages.", ...packagesOf(modules).map(noticeOf).toSorted()].join(
    `\n\n${"-".repeat(80)}\n\n`
  ) + "\n"

/**
 * Writes them beside the program.
 *
 * @param copied modules of packages that the pages for browsers are made of
 */
export const licenses = (fileName: string, copied: ReadonlyArray<string>): Plugin => ({
  name: "licenses",
  generateBundle(_, bundle) {
    const modules = Object.values(bundle).flatMap((output) =>
      output.type === "chunk" ? Object.entries(output.modules) : []
    )
    const bundled = modules.flatMap(([id, { renderedLength }]) => (renderedLength > 0 ? [id] : []))
    this.emitFile({ type: "asset", fileName, source: noticesOf([...bundled, ...copied]) })
  }
})
