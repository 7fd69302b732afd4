import { defineConfig, type Plugin } from "rolldown"
import { licenses } from "./rolldown.licenses.ts"

const SEGMENTER = /new Intl\.Segmenter\(undefined, \{\s*granularity: "grapheme"\s*\}\)/

/** Effect's command line makes an `Intl.Segmenter` as it is loaded, a tenth of each start. Only its help uses it: it is made there. */
const lateSegmenter: Plugin = {
  name: "late-segmenter",
  transform: {
    filter: { id: /[\\/]effect[\\/]dist[\\/]cli[\\/]CliOutput\.js$/ },
    handler(code) {
      if (!SEGMENTER.test(code)) throw new Error("effect/cli/CliOutput makes no Intl.Segmenter: drop this plugin")
      return code.replace(SEGMENTER, (made) => `{ segment: (text) => ${made}.segment(text) }`)
    }
  }
}

// The command line program carries its dependencies: it starts fast and needs nothing beside it. What not every server needs is in
// files of its own, so that nobody else waits for it.
export default defineConfig({
  input: { cli: "src/cli.ts", RelayThread: "src/threads/RelayThread.ts" },
  platform: "node",
  // Its CommonJS build requires its parts by names that no bundler can follow.
  resolve: { alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" } },
  // What a thread shares with the program must not be in the module that runs the thread.
  experimental: { chunkOptimization: false },
  // Effect's HTTP server has parts that the admin server does not use, and among them `ws`, which loads TLS.
  treeshake: {
    propertyReadSideEffects: false,
    moduleSideEffects: [{ test: /[\\/]node_modules[\\/]ws[\\/]/, sideEffects: false }]
  },
  plugins: [lateSegmenter, licenses("THIRD-PARTY-LICENSES.txt", ["./node_modules/uplot/dist/uPlot.esm.js"])],
  output: {
    dir: "dist",
    // Threads are where `builtFile` looks for them, which the library does, too.
    entryFileNames: ({ name }) => (name === "cli" ? "[name].js" : "cli/[name].js"),
    chunkFileNames: "cli/[name].js",
    format: "esm",
    minify: true
  }
})
