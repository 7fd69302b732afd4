import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A directory with these files in it, texts as they are and everything else as JSON; it is gone when the scope closes. */
export const make = (files: Record<string, unknown> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "summoner-"))
      for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(path, name), typeof content === "string" ? content : JSON.stringify(content))
      }
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
