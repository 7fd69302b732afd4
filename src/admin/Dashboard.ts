import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"

/** The page of the dashboard, and the policy under which a browser may show it. */
export interface Dashboard {
  readonly html: string
  readonly contentSecurityPolicy: string
}

const hashesOf = (html: string, element: "script" | "style"): string =>
  Array.from(html.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, "g")), ([, content]) => {
    const hash = createHash("sha256").update(content!).digest("base64")
    return `'sha256-${hash}'`
  }).join(" ")

/** Reads the page, which is one file without anything from elsewhere: its own script and style, and no others, are allowed. */
export const load: Effect.Effect<Dashboard> = Effect.promise(async () => {
  const html = await readFile(new URL("./dashboard.html", import.meta.url), "utf8")
  return {
    html,
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${hashesOf(html, "script")}`,
      `style-src ${hashesOf(html, "style")}`,
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'"
    ].join("; ")
  }
})
