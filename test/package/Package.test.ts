import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, normalize } from "node:path"
import { rolldown } from "rolldown"
import { clients, examples, snippets } from "../support/Documented.ts"
import { entries, manifest, ROOT } from "../support/Package.ts"
import * as Project from "../support/Project.ts"
import { threadCounts } from "../support/threadCounts.ts"
import { type Ended, run } from "../support/Tools.ts"

const KIB = 1024

/** Every module that an import of one of `from` loads, or has types of, as paths in the package. */
const reachable = (root: string, from: ReadonlyArray<string>) => {
  const found = new Set<string>()
  const visit = (path: string) => {
    if (found.has(path)) return
    found.add(path)
    for (const [, always, sometimes] of readFileSync(join(root, path), "utf8").matchAll(
      /^(?:im|ex)port .*?"(\.[^"]+)";$|import\("(\.[^"]+)"\)/gm
    )) {
      visit(normalize(join(dirname(path), (always ?? sometimes)!)))
    }
    const declarations = readFileSync(join(root, path.replace(/\.js$/, ".d.ts")), "utf8")
    for (const [, types] of declarations.matchAll(/(?:from |import\()"(\.[^"]+)\.ts"/g)) {
      visit(normalize(join(dirname(path), `${types}.js`)))
    }
  }
  from.forEach((path) => visit(normalize(path)))
  return found
}

describe("the package", () => {
  it("has what a user needs, and nothing else", () => {
    const { packed } = Project
    const modules = reachable(Project.inPackage(""), [
      ...entries.map((entry) => entry.default),
      "dist/client/browser.js"
    ])
    const parts = packed.files.map(({ path }) => path).filter((path) => /^dist\/cli\/[^/]+\.js$/.test(path))
    const program = ["dist/cli.js", ...parts].map((path) => readFileSync(Project.inPackage(path), "utf8")).join("\n")
    for (const part of parts)
      assert.match(program, new RegExp(`["'\`/]${basename(part)}["'\`]`), `nobody asks for ${part}`)
    const expected = [
      "CHANGELOG.md",
      "LICENSE",
      ...readdirSync(join(ROOT, "docs"), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => `docs/${name}`),
      ...readdirSync(join(ROOT, "docs/examples")).map((name) => `docs/examples/${name}`),
      "README.md",
      "SECURITY.md",
      "dist/THIRD-PARTY-LICENSES.txt",
      "dist/cli.js",
      ...parts,
      "dist/cli/chat.json",
      "dist/cli/dashboard.json",
      "package.json",
      "server.json",
      "server.schema.json",
      ...[...modules].flatMap((path) => [path, `${path}.map`, path.replace(/\.js$/, ".d.ts")])
    ]
    assert.deepStrictEqual(packed.files.map(({ path }) => path).toSorted(), expected.toSorted())
  })

  // About 15 % above what it was when the bound was last set.
  it("is small", () => {
    const { packed } = Project
    const program = packed.files.find(({ path }) => path === "dist/cli.js")!
    assert.isAtMost(packed.size, 1750 * KIB, "packed")
    assert.isAtMost(packed.unpackedSize, 5250 * KIB, "unpacked")
    assert.isAtMost(program.size, 160 * KIB, "dist/cli.js")
  })

  it("has source maps that need no other file", () => {
    for (const { path } of Project.packed.files) {
      if (path.endsWith(".map")) {
        const { sources, sourcesContent } = JSON.parse(readFileSync(Project.inPackage(path), "utf8"))
        assert.lengthOf(sourcesContent, sources.length, path)
      } else if (/\.(js|ts)$/.test(path)) {
        const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(Project.inPackage(path), "utf8")) ?? []
        if (map !== undefined) assert.isTrue(existsSync(Project.inPackage(join(dirname(path), map))), path)
      }
    }
  })

  it.live("starts as a command", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* Project.node(`node_modules/.bin/${manifest.name}`, "--version")
      assert.strictEqual(code, 0)
      assert.include(stdout, manifest.version)
    })
  )

  it.live("has a server that a program can start", () =>
    Effect.gen(function* () {
      const { code, stdout, stderr } = yield* Project.node("server.ts")
      assert.strictEqual(stderr, "")
      assert.match(stdout, /^127\.0\.0\.1:\d+\n$/)
      assert.strictEqual(code, 0)
    })
  )
})

describe("the package without its optional peers", () => {
  const alone = (...links: ReadonlyArray<string>) => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "summoner-alone-")))
    const home = join(directory, "node_modules", manifest.name)
    // Hard links are files like those that are copied, in a tenth of the time.
    for (const { path } of Project.packed.files) {
      mkdirSync(dirname(join(home, path)), { recursive: true })
      linkSync(Project.inPackage(path), join(home, path))
    }
    for (const name of links) symlinkSync(join(ROOT, "node_modules", name), join(directory, "node_modules", name))
    return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
  }

  it.live("has a command that needs nothing beside it", () => {
    const { directory, remove } = alone()
    return Effect.gen(function* () {
      const command = join(directory, "node_modules", manifest.name, "dist/cli.js")

      const { code, stderr } = yield* run(process.execPath, [command, "check"], { cwd: directory })
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
    }).pipe(Effect.ensuring(Effect.sync(remove)))
  })

  it.live("has a server that says which package its admin server lacks", () => {
    const { directory, remove } = alone("effect", "fastest-levenshtein", "jsonc-parser")
    return Effect.gen(function* () {
      writeFileSync(
        join(directory, "admin.mjs"),
        `import { SummonerServer } from "${manifest.name}/SummonerServer"
         const server = new SummonerServer("relay")
         await server.start({ port: 0, configDict: { admin: { port: 0 } } }).catch(({ message }) => console.log(message))`
      )
      const { code, stdout } = yield* run(process.execPath, ["admin.mjs"], { cwd: directory })
      assert.include(stdout, "(admin.port): the package @effect/platform-node is missing: npm install")
      assert.strictEqual(code, 0)
    }).pipe(Effect.ensuring(Effect.sync(remove)))
  })
})

describe.skipIf(!threadCounts.includes(2))("RelayServer of the package with two threads", () => {
  it.live("is one room", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* Project.node("threads.ts")
      assert.strictEqual(stderr, "")
      // Of one thread it would be "none".
      assert.match(stdout, /^up$/m)
      assert.strictEqual(code, 0)
    })
  )
})

describe("a module of the package", () => {
  // One after the other in one process: nothing depends on the order of modules that import each other in no circle.
  const program = `
    const resources = () => process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap")
    const write = process.stdout.write.bind(process.stdout)
    const report = {}
    for (const specifier of ${JSON.stringify(entries.map(({ specifier }) => specifier))}) {
      const globals = Reflect.ownKeys(globalThis).length
      const listeners = process.eventNames().length
      let printed = ""
      process.stdout.write = process.stderr.write = (text) => (printed += text)
      const module = await import(specifier)
      const left = resources()
      report[specifier] = [
        ...(Object.keys(module).length === 0 ? ["exports nothing"] : []),
        ...(Reflect.ownKeys(globalThis).length === globals ? [] : ["a new global"]),
        ...(process.eventNames().length === listeners ? [] : ["a new listener on process"]),
        ...left.map((name) => "left behind: " + name),
        ...(printed === "" ? [] : ["printed: " + printed])
      ]
    }
    write(JSON.stringify(report))`
  let ended: Ended
  let report: Readonly<Record<string, ReadonlyArray<string>>>

  beforeAll(async () => {
    ended = await Effect.runPromise(Project.node("--input-type=module", "--eval", program))
    // Also of a process that does not end.
    report = ended.stdout === "" ? {} : JSON.parse(ended.stdout)
  })

  it("lets the process that has imported it end", () => {
    assert.deepInclude(ended, { code: 0, stderr: "" })
  })

  it.each(entries)("does nothing when it is imported: $specifier", ({ specifier }) => {
    assert.deepStrictEqual(report[specifier], [])
  })

  it.live.each(entries)("leaves nothing in the bundle of a program that does not use it: $specifier", ({ specifier }) =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* bundle(`import * as unused from "${specifier}"; console.log(1)`),
        "console.log(1);export{};"
      )
    })
  )

  it.live("needs neither Node.js nor Effect in the bundle of a browser when it is client", () =>
    Effect.gen(function* () {
      const program = `import { connect } from "${manifest.name}/client"; connect("ws://relay/")`
      const code = yield* bundle(program, "browser")
      assert.notMatch(code, /\b(?:import|require|process|Buffer)\b/)
      assert.isAtMost(code.length, 8 * KIB)
    })
  )

  it.live("is all that a bundle has of the package when it is Notice", () =>
    Effect.gen(function* () {
      const own = `import { IDLE } from "${manifest.name}/Notice"; console.log(IDLE)`
      assert.isAtMost((yield* bundle(own)).length, 256)
    })
  )
})

describe.each(["NodeNext", "bundler"] as const)("the types of the package, found with %s,", (resolution) => {
  it("are right in every module, and in its libraries", () => {
    const programs = [...snippets, ...clients, ...examples].map(({ file }) => file)
    assert.deepStrictEqual(Project.diagnosticsBeside(resolution, ["wrong.ts", ...programs]), {})
  })

  it("are not any", () => {
    const found = Project.diagnosticsOf(resolution, "wrong.ts")
    assert.include(found, "Property 'prot' does not exist on type 'BoundAddress'")
    assert.lengthOf(found.match(/error TS/g)!, 1)
  })
})

/** What a bundler makes of a program in the project. */
const bundle = (program: string, platform: "node" | "browser" = "node") =>
  Effect.promise(async () => {
    const path = join(Project.directory, "program.js")
    const build = await rolldown({
      cwd: Project.directory,
      input: "program",
      external: [/^effect\b/, /^@(effect|nats-io)\//, /^node:/],
      platform,
      plugins: [
        {
          name: "program",
          resolveId: (id) => (id === "program" ? path : null),
          load: (id) => (id === path ? program : null)
        }
      ]
    })
    const { output } = await build.generate({ format: "esm", minify: true })
    return output[0].code.trim()
  })
