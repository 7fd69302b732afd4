import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Docs from "../support/Docs.ts"
import { clients } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"
import * as Server from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"

const [, python] = /^```python\n([^]*?)^```/m.exec(Docs.page("README.md"))!

const PYTHON = "/usr/bin/python3"
const hasPython = spawnSync(PYTHON, ["--version"]).status === 0

/** A server with one client, and a program of the documentation beside it. */
const beside = Effect.fnUntraced(function* (file: string, code: string, node = process.execPath) {
  const server = yield* Server.start()
  const other = yield* TcpClient.connect(server.port)
  yield* server.logged(/\(1 client\)/)
  const program = join(Project.directory, file)
  writeFileSync(program, code.replaceAll("8888", String(server.port)))
  const running = yield* Cli.start([], { node, program })
  const content = Effect.map(other.line, (line): string => JSON.parse(line).content)
  return { ...running, content, other }
})

/** The program of the documentation that has this in it. */
const programWith = (text: string) => clients.find(({ code }) => code.includes(text))!

const agents = [
  { language: "Effect", ...programWith("hello from Effect"), node: process.execPath, goodbye: ["bye"] },
  { language: "Python", code: python!, file: "clients.py", node: PYTHON, goodbye: [] }
].filter(({ language }) => hasPython || language !== "Python")

describe.concurrent(`a client of the documentation${hasPython ? "" : " (Python skipped: there is none)"}`, () => {
  it.live.each(agents)("says hello, answers, and leaves: $language", ({ code, file, goodbye, language, node }) =>
    Effect.gen(function* () {
      const { content, exit, other, output } = yield* beside(file, code, node)
      assert.strictEqual(yield* content, `hello from ${language}`)
      other.send("something else\nping\n")
      assert.strictEqual(yield* content, `pong from ${language}`)
      other.send("stop\n")
      for (const expected of goodbye) assert.strictEqual(yield* content, expected)
      assert.deepStrictEqual(yield* exit, { code: 0, signal: null })
      assert.strictEqual(output(), "")
    })
  )

  it.live("plays the game of the README to its end", () =>
    Effect.gen(function* () {
      const { code, file } = programWith("Guess a number")
      const { content, exit, other, output } = yield* beside(file, code)
      assert.strictEqual(yield* content, "Guess a number from 1 to 100")
      other.send("is it hard?\n")
      let [low, high] = [1, 100]
      let answer = ""
      for (let guesses = 0; guesses < 8 && !answer.endsWith("it is"); guesses++) {
        const guess = Math.floor((low + high) / 2)
        other.send(`${guess}\n`)
        answer = yield* content
        if (answer === `${guess} is too low`) low = guess + 1
        else if (answer === `${guess} is too high`) high = guess - 1
        else assert.strictEqual(answer, `${guess} it is`)
      }
      assert.match(answer, /it is$/)
      assert.deepStrictEqual(yield* exit, { code: 0, signal: null })
      assert.strictEqual(output(), "")
    })
  )

  it.each(["NodeNext", "bundler"] as const)("has right types with %s", (resolution) => {
    assert.isAtLeast(clients.length, 2)
    for (const { file } of clients) {
      assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
    }
  })
})
