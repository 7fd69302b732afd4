/** What `npm run build` makes for the program, which the library uses, too. */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"

/** Which is `dist/cli/` for modules of `src`, too. */
const FOLDER = new URL(import.meta.url.endsWith(".ts") ? "../../dist/cli/" : "../cli/", import.meta.url)

/** Where a file is that was bundled for the program. */
export const builtFile = (name: string): URL => new URL(name, FOLDER)

/** A page for browsers as one file, and its Content-Security-Policy header. */
export interface BuiltPage {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** Reads a page. A missing file is a fault of the package, so a defect. */
export const loadBuiltPage = (name: "chat" | "dashboard"): Effect.Effect<BuiltPage> =>
  Effect.promise(async () => JSON.parse(await readFile(builtFile(`${name}.json`), "utf8")))
