/**
 * `node scripts/pages.ts <folder>` makes each page for browsers one file in a folder, with its Content-Security-Policy header. Part of
 * `npm run build`.
 */
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename } from "node:path"
import { build } from "rolldown"
import type { BuiltPage } from "../src/internal/built.ts"

/** A tag of `page.html` that is replaced by the content of a file. */
const TAG = /<link rel="stylesheet" href="(?<style>[^"]+)" \/>|<script src="(?<script>[^"]+)"><\/script>/g

/** A tag that the browser would have to fetch, or that the policy forbids. */
const FOREIGN = /<link\s[^>]*stylesheet[^>]*>|<(?:script|style)\b[^>]*>/i

/** Text that would end a `script` or `style` element early or late. */
const BREAKS_OUT = /<\/(?:script|style)|<!--/i

/**
 * Inlines style sheets and scripts into `page.html`, with a policy that allows only these by their hashes.
 *
 * @param files contents by file name; every style sheet and script must have a tag in the page
 * @throws an `Error` that names the file or tag at fault
 */
export const inline = (files: ReadonlyMap<string, string>): BuiltPage => {
  const contentOf = (name: string) => {
    const content = files.get(name)
    if (content === undefined) throw new Error(`the page has no file ${name}`)
    return content
  }
  const page = contentOf("page.html")
  const foreign = FOREIGN.exec(page.replaceAll(TAG, ""))
  if (foreign !== null) {
    throw new Error(
      `page.html has ${foreign[0]}: expected <link rel="stylesheet" href="…" /> or <script src="…"></script>`
    )
  }

  const inlined = new Set(["page.html"])
  const hashes = { script: [] as Array<string>, style: [] as Array<string> }
  const element = (kind: "script" | "style", name: string) => {
    const content = contentOf(name)
    const end = BREAKS_OUT.exec(content)
    if (end !== null) throw new Error(`${name} cannot be within a page: it has ${end[0]}`)
    inlined.add(name)
    hashes[kind].push(`'sha256-${createHash("sha256").update(content).digest("base64")}'`)
    return `<${kind}>${content}</${kind}>`
  }
  const html = page.replaceAll(TAG, (...match) => {
    const { script, style } = match.at(-1) as { readonly script?: string; readonly style?: string }
    return script === undefined ? element("style", style!) : element("script", script)
  })
  const unused = [...files.keys()].filter((name) => !inlined.has(name))
  if (unused.length > 0) throw new Error(`page.html has no tag for ${unused.join(", ")}`)

  return {
    html,
    contentSecurityPolicy: [
      "default-src 'none'",
      `script-src ${hashes.script.join(" ")}`,
      `style-src ${hashes.style.join(" ")}`,
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'"
    ].join("; ")
  }
}

const bundle = async (input: string): Promise<string> => {
  const { output } = await build({
    input,
    platform: "browser",
    // The image is built without those of the checkout.
    tsconfig: false,
    write: false,
    logLevel: "warn",
    output: { format: "iife", minify: true }
  })
  return output[0].code
}

const uPlot = createRequire(import.meta.url).resolve("uplot/dist/uPlot.min.css")

/** @param sheets style sheets from elsewhere */
const make = async (name: string, folder: string, ...sheets: ReadonlyArray<string>): Promise<void> => {
  const paths = [`${folder}/page.html`, `${folder}/style.css`, "src/page/page.css", ...sheets]
  const files = new Map(paths.map((path) => [basename(path), readFileSync(path, "utf8")]))
  const page = inline(files.set("main.js", await bundle(`${folder}/main.ts`)))
  writeFileSync(`${process.argv[2]}/${name}.json`, JSON.stringify(page))
}

if (import.meta.main) {
  mkdirSync(process.argv[2]!, { recursive: true })
  await make("chat", "src/chat")
  await make("dashboard", "src/admin/dashboard", uPlot)
}
