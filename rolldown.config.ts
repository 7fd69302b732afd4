import { defineConfig } from "rolldown"
import { licenses } from "./rolldown.licenses.ts"

// The command line program carries its dependencies: it starts fast and needs nothing beside it. What not every server needs is in
// files of its own, so that nobody else waits for it.
export default defineConfig({
  input: { cli: "src/cli.ts" },
  platform: "node",
  // Its CommonJS build requires its parts by names that no bundler can follow.
  resolve: { alias: { "jsonc-parser": "jsonc-parser/lib/esm/main.js" } },
  plugins: [licenses("THIRD-PARTY-LICENSES.txt", ["./node_modules/uplot/dist/uPlot.iife.min.js"])],
  output: {
    dir: "dist",
    entryFileNames: "[name].js",
    chunkFileNames: "cli/[name].js",
    format: "esm",
    minify: true
  }
})
