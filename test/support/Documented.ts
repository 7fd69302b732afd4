/** The programs that the documentation shows. */
import { readdirSync } from "node:fs"
import { basename } from "node:path"
import { page } from "./Docs.ts"

interface Program {
  readonly name: string
  /** What it is called in a project. */
  readonly file: string
  readonly code: string
}

export interface Snippet extends Program {
  /** Lines it prints, among others, in this order. */
  readonly prints: ReadonlyArray<string>
}

const isTest = (code: string) => code.includes('"@effect/vitest"')

/** Every TypeScript block of a page, with the text block that follows it, if one does at once. */
const snippetsOf = (path: string): ReadonlyArray<Snippet> =>
  Array.from(page(path).matchAll(/^```ts\n([^]*?)^```\n(?:\n```text\n([^]*?)^```\n)?/gm), ([, code, output], i) => ({
    name: `${path}, snippet ${i + 1}`,
    file: `${basename(path, ".md")}-${i + 1}${isTest(code!) ? ".test" : ""}.ts`,
    code: code!,
    prints: (output ?? "").split("\n").filter((line) => line !== "")
  }))

const programs = ["README.md", "docs/protocol.md", "docs/embedding.md"].flatMap(snippetsOf)

const needsServer = ({ code }: Program) => code.includes("tcp://127.0.0.1:8888")

/** Programs that run by themselves. */
export const snippets = programs.filter((program) => !needsServer(program))

/** Programs that need a server beside them. */
export const clients = programs.filter(needsServer)

/** The programs in docs/examples. */
export const examples: ReadonlyArray<Program> = readdirSync(new URL("../../docs/examples", import.meta.url))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ name: file, file, code: page(`docs/examples/${file}`) }))
