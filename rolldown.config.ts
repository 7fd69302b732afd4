import { defineConfig } from "rolldown"

// The command line program carries its dependencies: it starts fast and needs nothing beside it.
export default defineConfig({
  input: "src/cli.ts",
  platform: "node",
  output: { file: "dist/cli.js", format: "esm", minify: true, codeSplitting: false }
})
