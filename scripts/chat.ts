/** `node scripts/chat.ts <folder>` bundles the chat that the relay serves to browsers into a file in a folder. Part of `npm run build`. */
import { readFileSync, writeFileSync } from "node:fs"
import { build } from "rolldown"
import { inline } from "../src/admin/Dashboard.ts"
import { type Built, FILE } from "../src/transport/websocket/ChatPage.ts"

const { output } = await build({
  input: "src/chat/main.ts",
  platform: "browser",
  // The image is built without those of the checkout.
  tsconfig: false,
  write: false,
  logLevel: "warn",
  output: { format: "iife", minify: true }
})
const files = new Map(["page.html", "style.css"].map((name) => [name, readFileSync(`src/chat/${name}`, "utf8")]))
const built: Built = inline(files.set("main.js", output[0].code))
writeFileSync(`${process.argv[2]}/${FILE}`, JSON.stringify(built))
