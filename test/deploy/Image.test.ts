import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as Cli from "../support/Cli.ts"
import * as Directory from "../support/Directory.ts"
import { ROOT } from "../support/Package.ts"
import { PATIENCE } from "../support/patience.ts"
import * as TcpClient from "../support/TcpClient.ts"
import { canRun, run } from "../support/Tools.ts"
import * as Dockerfile from "./Dockerfile.ts"
import * as StubAdmin from "./StubAdmin.ts"

const [build, image] = Dockerfile.stages as [Dockerfile.Stage, Dockerfile.Stage]

const environment: Record<string, string> = Object.fromEntries(
  Array.from(Dockerfile.last(image, "ENV").matchAll(/(\w+)=(\S+)/g), ([, name, value]) => [name, value])
)

/** Arguments of Node.js. */
const HEALTHCHECK = Dockerfile.command(Dockerfile.last(image, "HEALTHCHECK").split(" CMD ")[1]!).slice(1)

/** Of a `COPY`, without its flags. */
const copied = (text: string) => {
  const paths = text.split(" ").filter((word) => !word.startsWith("--"))
  return { sources: paths.slice(0, -1), target: paths.at(-1)! }
}

/** A directory with what the image has in its working directory, built as the Dockerfile says. */
class Built extends Context.Service<Built, string>()("test/deploy/Built") {
  static readonly layer = Layer.effect(
    Built,
    Effect.gen(function* () {
      const root = yield* Directory.make()
      const workdir = join(root, Dockerfile.last(build, "WORKDIR"))
      mkdirSync(workdir)
      for (const { name, text } of build) {
        if (name === "COPY") {
          const { sources, target } = copied(text)
          for (const source of sources) {
            const isFile = statSync(join(ROOT, source)).isFile()
            cpSync(join(ROOT, source), join(workdir, target, isFile ? basename(source) : ""), { recursive: true })
          }
        } else if (name === "RUN" && text.startsWith("npm ci")) {
          symlinkSync(join(ROOT, "node_modules"), join(workdir, "node_modules"))
        } else if (name === "RUN") {
          const { code, stderr, stdout } = yield* run("sh", ["-c", text], { cwd: workdir })
          assert.strictEqual(code, 0, stdout + stderr)
        }
      }
      const app = join(root, Dockerfile.last(image, "WORKDIR"))
      cpSync(join(root, copied(Dockerfile.last(image, "COPY")).sources[0]!), app, { recursive: true })
      return app
    })
  )
}

describe("the Dockerfile", () => {
  it("builds with the Node.js that the tests use, and runs on the same major version", () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"))
    assert.strictEqual(Dockerfile.last(build, "FROM"), `node:${devDependencies.node}-slim AS build`)
    assert.include(Dockerfile.last(image, "FROM"), `/nodejs${devDependencies.node.split(".")[0]}-`)
  })

  it("sends to the build what it copies, and nothing else", () => {
    const sources = Dockerfile.all(build, "COPY").flatMap((text) => copied(text).sources)
    const ignore = readFileSync(join(ROOT, ".dockerignore"), "utf8").split("\n")
    const sent = ignore.filter((line) => line.startsWith("!")).map((line) => line.slice(1))
    assert.include(ignore, "*")
    assert.sameMembers(sent, sources)
    for (const source of sources) assert.isTrue(existsSync(join(ROOT, source)), source)
  })

  it("ends as a user without rights, with a program that no shell starts", () => {
    assert.match(Dockerfile.last(image, "USER"), /^[1-9]\d*:[1-9]\d*$/)
    assert.deepStrictEqual(Dockerfile.command(Dockerfile.last(image, "ENTRYPOINT")), [
      "/nodejs/bin/node",
      `${Dockerfile.last(image, "WORKDIR")}/cli.js`
    ])
    assert.strictEqual(Dockerfile.last(image, "STOPSIGNAL"), "SIGTERM")
    assert.deepStrictEqual(Dockerfile.last(image, "EXPOSE").split(" "), ["8888", environment["SUMMONER_ADMIN_PORT"]])
  })

  it.live("tells, in its health check, a server that lives from one that does not", () =>
    Effect.gen(function* () {
      const check = (port: number) =>
        Effect.map(
          run(process.execPath, HEALTHCHECK, { env: { ...environment, SUMMONER_ADMIN_PORT: String(port) } }),
          ({ code }) => code
        )
      const healthy = yield* StubAdmin.make(200)
      assert.strictEqual(yield* check(healthy.port), 0)
      assert.deepStrictEqual(
        healthy.requests.map(({ line }) => line),
        ["GET /healthz"]
      )
      const ill = yield* StubAdmin.make(500)
      assert.strictEqual(yield* check(ill.port), 1)
      assert.strictEqual(yield* check(1), 1)
    })
  )
})

const NAMESPACE = ["--pid", "--fork", "--kill-child", "--mount-proc"]
const unshare = [NAMESPACE, ["--user", "--map-root-user", ...NAMESPACE]].find((args) =>
  canRun("unshare", ...args, "true")
)

/** The process that another one has started. */
const childOf = (pid: number) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"))

layer(Built.layer, { timeout: PATIENCE, excludeTestServices: true })("the image", (it) => {
  it.effect("has a program that needs nothing beside it", () =>
    Effect.gen(function* () {
      const app = yield* Built
      assert.includeMembers(readdirSync(app), ["cli.js", "package.json", "server.schema.json"])
      assert.notInclude(readdirSync(app), "node_modules")
      const { output, exit } = yield* Cli.start(["--version"], { program: join(app, "cli.js"), cwd: app })
      assert.deepStrictEqual(yield* exit, { code: 0, signal: null })
      assert.match(output(), /^\S* ?v?\d+\.\d+\.\d+\n$/)
    })
  )

  // Process 1 is another one for signals: those without a handler do nothing at all.
  it.effect.skipIf(unshare === undefined)(
    "has a server that, as process 1, reloads on SIGHUP and ends on SIGTERM (needs unshare)",
    () =>
      Effect.gen(function* () {
        const app = yield* Built
        const [, program] = Dockerfile.command(Dockerfile.last(image, "ENTRYPOINT"))
        const server = yield* Cli.start(
          [...unshare!.slice(1), process.execPath, join(dirname(app), program!), "--port", "0"],
          {
            node: "unshare",
            program: unshare![0]!,
            cwd: app,
            // Any port: another server may run on this machine.
            env: { ...environment, SUMMONER_ADMIN_PORT: "0" }
          }
        )
        const [, port] = yield* server.printed(/listening on 0\.0\.0\.0:(\d+)/)
        const [, adminPort] = yield* server.printed(/admin on http:\/\/127\.0\.0\.1:(\d+)/)
        const health = yield* run(process.execPath, HEALTHCHECK, { env: { SUMMONER_ADMIN_PORT: adminPort! } })
        assert.strictEqual(health.code, 0)
        const pid = childOf(server.process.pid!)
        assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^NSpid:\t\d+\t1$/m)
        const client = yield* TcpClient.connect(Number(port))
        yield* server.printed(/connected \(1 client\)/)
        process.kill(pid, "SIGHUP")
        yield* server.printed(/configuration: no key has changed/)
        process.kill(pid, "SIGTERM")
        assert.deepStrictEqual(yield* client.rest, ["Warning: Server is shutting down."])
        client.socket.end()
        assert.deepStrictEqual(yield* server.exit, { code: 0, signal: null })
        assert.include(server.output(), "shutdown complete")
      })
  )
})
