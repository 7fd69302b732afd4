import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The checkout. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url))

export const manifest: {
  readonly name: string
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
} = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))

/** The modules a program can import, by name, with where they are in the package. */
export const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === "string" ? [] : [{ specifier: manifest.name + subpath.slice(1), ...target }]
)

/** The compiler. */
export const TSC = join(ROOT, "scripts/tsc.ts")
