import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"

/** The page of the dashboard, and the policy under which a browser may show it. */
export interface Dashboard {
  readonly html: string
  readonly contentSecurityPolicy: string
}

/** A tag of the page that stands for a file beside it. */
const TAG = /<link rel="stylesheet" href="(?<style>[^"]+)" \/>|<script src="(?<script>[^"]+)"><\/script>/g

/** A tag that would leave the browser something to fetch, or something that it is not allowed to run. */
const FOREIGN = /<link\s[^>]*stylesheet[^>]*>|<(?:script|style)\b[^>]*>/i

/** What would end an element before its content ends, or later. */
const BREAKS_OUT = /<\/(?:script|style)|<!--/i

/**
 * Makes one file of `page.html` and the style sheet and scripts that it has tags for, and a policy that allows these, and no others.
 *
 * @param files what there is, by name; each style sheet and each script must have its tag
 * @throws an `Error` that says which file or tag is wrong
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
  const forgotten = [...files.keys()].filter((name) => !inlined.has(name))
  if (forgotten.length > 0) throw new Error(`page.html has no tag for ${forgotten.join(", ")}`)

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

/** The library that draws plots. `npm run build` puts it beside the page; a checkout has it in node_modules. */
export const LIBRARY = ["uPlot.iife.min.js", "uPlot.min.css"]

/** Reads the page and makes one file of it, without anything from elsewhere. That it is there and in order is for the package to see to. */
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
