import type { Made } from "./OnDemand.setup.ts"

/**
 * The text of a module and all that it imports, as one: it loads in a third of the time. Its `import.meta.url` is of no use. Made in the
 * process of vitest, which has the bundler: to load it takes longer than to bundle.
 *
 * @param input path of the module
 */
export const make = async (input: string): Promise<Made<string>> => {
  const { build } = await import("rolldown")
  const { output } = await build({
    input,
    platform: "node",
    resolve: { alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" } },
    write: false,
    logLevel: "warn",
    output: { format: "esm", codeSplitting: false }
  })
  return { value: output[0].code, remove: () => {} }
}
