import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Cli from "../support/Cli.ts"
import { examples, snippets } from "../support/Documented.ts"
import * as Project from "../support/Project.ts"
import * as TcpClient from "../support/TcpClient.ts"

/** Starts an example in the project that has installed the package. */
const start = (name: string) =>
  Cli.start([], { program: join(Project.directory, name), env: { PORT: "0", HTTP_PORT: "0" } })

describe.each(["NodeNext", "bundler"] as const)("the types of an example are right with %s", (resolution) => {
  it.each(examples)("$name", ({ file }) => {
    assert.strictEqual(Project.diagnosticsOf(resolution, file), "")
  })
})

describe.concurrent("an example", () => {
  it.live("greets each client, counts what they say, and ends in order: effect-app", () =>
    Effect.gen(function* () {
      const app = yield* start("effect-app.ts")
      const [, port] = yield* app.printed(/listening on \S*:(\d+)/)
      const a = yield* TcpClient.connect(Number(port))
      const greeting = JSON.stringify({ remote_addr: "greeter", content: `welcome, ${a.address}` })
      assert.strictEqual(yield* a.line, greeting)
      a.send("hello\n")
      const b = yield* TcpClient.connect(Number(port))
      yield* b.line
      app.process.kill("SIGTERM")
      assert.strictEqual((yield* a.rest).at(-1), "Warning: Server is shutting down.")
      for (const { socket } of [a, b]) socket.end()
      yield* app.exit
      // The greetings are messages too.
      const characters = "hello".length + `welcome, ${a.address}welcome, ${b.address}`.length
      assert.include(app.output(), `characters said: ${characters}\n`)
    })
  )

  it.live("tells its clients, then ends its event streams, then its database, and exits with 0: http-events", () =>
    Effect.gen(function* () {
      const app = yield* start("http-events.ts")
      const [, port] = yield* app.printed(/listening on \S*:(\d+)/)
      const [, httpPort] = yield* app.printed(/events on port (\d+)/)
      const viewer = yield* Effect.promise(() => fetch(`http://127.0.0.1:${httpPort}/`))
      const a = yield* TcpClient.connect(Number(port))
      const b = yield* TcpClient.connect(Number(port))
      yield* TcpClient.settled(a, b)
      app.process.kill("SIGTERM")
      assert.strictEqual((yield* a.rest).at(-1), "Warning: Server is shutting down.")
      for (const { socket } of [a, b]) socket.end()
      const text = yield* Effect.promise(() => viewer.text())
      const events = text
        .split("\n\n")
        .filter((event) => event !== "")
        .map((event) => JSON.parse(event.slice("data: ".length)) as { readonly _tag: string })
      const tags = events.map(({ _tag }) => _tag)
      assert.lengthOf(
        tags.filter((tag) => tag === "Connected"),
        2
      )
      assert.deepStrictEqual(tags.slice(-2), ["Disconnected", "Disconnected"])
      assert.deepStrictEqual(yield* app.exit, { code: 0, signal: null })
      const lines = tags.filter((tag) => tag === "Relayed").length
      assert.match(
        app.output(),
        new RegExp(`shutdown complete[^]*event streams ended\ndatabase closed, lines: ${lines}\n$`)
      )
    })
  )

  it.live("answers a client, and ends when told to: plain", () =>
    Effect.gen(function* () {
      const app = yield* start("plain.ts")
      const [, port] = yield* app.printed(/listening on port (\d+)/)
      const a = yield* TcpClient.connect(Number(port))
      yield* app.printed(/hello/)
      a.send("!time\n")
      assert.match(yield* a.line, /^\{"remote_addr":"bot","content":"\d{4}-\d\d-\d\dT/)
      a.socket.end()
      app.process.kill("SIGTERM")
      assert.deepStrictEqual(yield* app.exit, { code: 0, signal: null })
      assert.match(app.output(), /goodbye\n$/)
    })
  )
})

// One run: a test runner takes longer to start than these tests.
it.live("the tests that the documentation shows pass", () =>
  Effect.gen(function* () {
    const files = [...snippets, ...examples].map(({ file }) => file).filter((file) => file.endsWith(".test.ts"))
    const { code, ended } = yield* Project.vitest(...files)
    assert.sameMembers(
      ended.map(({ file }) => file),
      files
    )
    assert.include(files, "swap-layers.test.ts")
    for (const { file, problem, tests } of ended) {
      assert.strictEqual(problem, "", file)
      assert.lengthOf(tests, file === "swap-layers.test.ts" ? 3 : 1, file)
      for (const test of tests) assert.match(test, /: passed$/, file)
    }
    assert.strictEqual(code, 0)
  })
)
