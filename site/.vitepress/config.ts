import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitepress"

const root = fileURLToPath(new URL("../../", import.meta.url))
const pages = fileURLToPath(new URL("../pages/", import.meta.url))

/** The order in which one needs them; other pages follow. */
const ORDER = ["start", "protocol", "configuration", "deploying", "operating", "embedding", "scaling", "security"]
const LAST = ["migrating", "decisions"]

const files = readdirSync(join(root, "docs"))
const names = files.filter((file) => file.endsWith(".md")).map((file) => file.slice(0, -3))
const rank = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length + 1 + LAST.indexOf(name))

// Vite finds what pages import only below the folder that has them, so they are copied into this one.
rmSync(pages, { recursive: true, force: true })
const title = (page: string) => /^# (.*)$/m.exec(readFileSync(join(root, page), "utf8"))![1]!
const write = (from: string, to = from) => {
  const text = readFileSync(join(root, from), "utf8")
    .replaceAll("README.md", "index.md")
    // The router of the site takes other pages of HTML for its own.
    .replaceAll(/\]\([^)]*\/examples\/[^)]*\.html\)|\]\(examples\/[^)]*\.html\)/g, '$&{target="_self"}')
  mkdirSync(dirname(join(pages, to)), { recursive: true })
  writeFileSync(join(pages, to), text)
}
write("README.md", "index.md")
for (const page of ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", ...names.map((name) => `docs/${name}.md`)])
  write(page)
for (const file of files.filter((file) => /\.(?:png|svg)$/.test(file)))
  cpSync(join(root, "docs", file), join(pages, "docs", file))
for (const path of ["docs/examples", "deploy", "LICENSE"])
  cpSync(join(root, path), join(pages, "public", path), { recursive: true })

/** Anchors as GitHub makes them, which the pages link to. */
const slugify = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

export default defineConfig({
  title: "summoner-server",
  description: "A TCP relay for rooms: one line in, everyone else's lines out",
  srcDir: "pages",
  outDir: "dist",
  ignoreDeadLinks: [/\/examples\/|\/deploy\//],
  markdown: { anchor: { slugify } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    sidebar: [
      { text: "Overview", link: "/" },
      ...names
        .toSorted((a, b) => rank(a) - rank(b))
        .map((name) => ({ text: title(`docs/${name}.md`), link: `/docs/${name}` })),
      { text: "Reporting a vulnerability", link: "/SECURITY" },
      { text: "Contributing", link: "/CONTRIBUTING" },
      { text: "Changes", link: "/CHANGELOG" }
    ]
  }
})
