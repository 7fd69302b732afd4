/** The pages for browsers, which `npm run build` makes. */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { builtFile } from "./builtFile.ts"

/** A page as one file, and its Content-Security-Policy header. */
export interface BuiltPage {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** Reads a page. A missing file is a fault of the package, so a defect. */
export const load = (name: "chat" | "dashboard"): Effect.Effect<BuiltPage> =>
  Effect.promise(async () => JSON.parse(await readFile(builtFile(`${name}.json`), "utf8")))
