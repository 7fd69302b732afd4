import { fileURLToPath } from "node:url"
import { build } from "rolldown"

/** The text of a module and all that it imports, as one: it loads in a fifth of the time. Its `import.meta.url` is of no use. */
export const bundledText = async (entry: URL): Promise<string> => {
  const { output } = await build({
    input: fileURLToPath(entry),
    platform: "node",
    resolve: { alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" } },
    write: false,
    logLevel: "warn",
    output: { format: "esm", codeSplitting: false }
  })
  return output[0].code
}

/** A module for threads, bundled. */
export const bundled = async (entry: URL): Promise<URL> =>
  new URL(`data:text/javascript,${encodeURIComponent(await bundledText(entry))}`)
