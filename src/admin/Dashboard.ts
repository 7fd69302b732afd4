import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

/** The dashboard as one page, and its Content-Security-Policy header. */
export interface Dashboard {
  readonly html: string
  readonly contentSecurityPolicy: string
}

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
export const inline = (files: ReadonlyMap<string, string>): Dashboard => {
  const contentOf = (name: string) => {
    const content = files.get(name)
    if (content === undefined) throw new Error(`the dashboard has no file ${name}`)
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

/** The files of uPlot. `npm run build` copies them beside the page; a checkout reads them from node_modules. */
export const LIBRARY = ["uPlot.iife.min.js", "uPlot.min.css"]

/** Reads and inlines the page. A missing or wrong file is a fault of the package, so a defect. */
export const load: Effect.Effect<Dashboard> = Effect.promise(async () => {
  const folder = new URL("./dashboard/", import.meta.url)
  const names = (await readdir(folder)).filter((name) => /\.(?:css|html|js)$/.test(name))
  const require = createRequire(import.meta.url)
  const urls = new Map(names.map((name) => [name, new URL(name, folder)]))
  for (const name of LIBRARY) {
    if (!urls.has(name)) urls.set(name, pathToFileURL(require.resolve(`uplot/dist/${name}`)))
  }
  const read = async ([name, url]: readonly [string, URL]) => [name, await readFile(url, "utf8")] as const
  return inline(new Map(await Promise.all(Array.from(urls, read))))
})
