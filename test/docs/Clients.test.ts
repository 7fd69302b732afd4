import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Docs from "../support/Docs.ts"
import { clients } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"
import * as TcpClient from "../support/TcpClient.ts"

const [, python] = /^```python\n([^]*?)^```/m.exec(Docs.page("docs/clients.md"))!
const [plain, effect] = clients

const PYTHON = "/usr/bin/python3"
const hasPython = spawnSync(PYTHON, ["--version"]).status === 0

/** The programs of the page, how they run, and what they say last. */
const agents = [
  { language: "TypeScript", ...plain!, node: process.execPath, goodbye: ["bye"] },
  { language: "Effect", ...effect!, node: process.execPath, goodbye: ["bye"] },
  { language: "Python", code: python!, file: "clients.py", node: PYTHON, goodbye: [] }
].filter(({ language }) => hasPython || language !== "Python")

describe.concurrent(`an agent of docs/clients.md${hasPython ? "" : " (Python skipped: there is none)"}`, () => {
  it.live.each(agents)("says hello, answers, and leaves: $language", ({ code, file, goodbye, language, node }) =>
    Effect.gen(function* () {
      const server = yield* Cli.listening()
      const other = yield* TcpClient.connect(server.port)
      yield* server.printed(/\(1 client\)/)
      const path = join(Project.directory, file)
      writeFileSync(path, code.replaceAll("8888", String(server.port)))
      const agent = yield* Cli.start([], { node, program: path })
      const line = Effect.map(other.line, (line) => JSON.parse(line).content)
      assert.strictEqual(yield* line, `hello from ${language}`)
      other.send("something else\nping\n")
      assert.strictEqual(yield* line, `pong from ${language}`)
      other.send("stop\n")
      for (const expected of goodbye) assert.strictEqual(yield* line, expected)
      assert.deepStrictEqual(yield* agent.exit, { code: 0, signal: null })
      assert.strictEqual(agent.output(), "")
    })
  )

  it.each(["NodeNext", "bundler"] as const)("has right types with %s", (resolution) => {
    for (const { file } of clients) {
      assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
    }
  })
})
