/** The pages for browsers, which `npm run build` makes. */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"

/** A page as one file, and its Content-Security-Policy header. */
export interface BuiltPage {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** Beside the program, for which they are in the package once. */
const FOLDER = new URL(import.meta.url.endsWith(".ts") ? "../../dist/cli/" : "../cli/", import.meta.url)

/** Reads a page. A missing file is a fault of the package, so a defect. */
export const load = (name: "chat" | "dashboard"): Effect.Effect<BuiltPage> =>
  Effect.promise(async () => JSON.parse(await readFile(new URL(`${name}.json`, FOLDER), "utf8")))
