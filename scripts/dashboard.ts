/** `node scripts/dashboard.ts <folder>` copies the dashboard, and the library that draws its plots, into a folder. Part of `npm run build`. */
import { copyFileSync, cpSync } from "node:fs"
import { createRequire } from "node:module"
import { LIBRARY } from "../src/admin/Dashboard.ts"

const require = createRequire(import.meta.url)
const folder = `${process.argv[2]}/dashboard`
cpSync("src/admin/dashboard", folder, { recursive: true, filter: (path) => !path.endsWith(".json") })
for (const name of LIBRARY) copyFileSync(require.resolve(`uplot/dist/${name}`), `${folder}/${name}`)
