import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path"
import { rolldown } from "rolldown"
import { entries, manifest, Package, RESOLUTIONS, ROOT } from "../support/Package.ts"

const KIB = 1024

/** Every module that an import of one of `from` loads, as paths in the package. */
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
  }
  from.forEach((path) => visit(normalize(path)))
  return found
}

layer(Package.layer, { timeout: 60_000 })("the package", (it) => {
  describe("contents", () => {
    it.effect("has what a user needs, and nothing else", () =>
      Effect.gen(function* () {
        const { directory, packed } = yield* Package
        const root = join(directory, "node_modules", manifest.name)
        const modules = reachable(
          root,
          entries.map((entry) => entry.default)
        )
        const parts = packed.files.map(({ path }) => path).filter((path) => /^dist\/cli\/[^/]+$/.test(path))
        const program = ["dist/cli.js", ...parts].map((path) => readFileSync(join(root, path), "utf8")).join("\n")
        const page = readdirSync(join(ROOT, "src/admin/dashboard")).filter((name) => name !== "tsconfig.json")
        for (const part of parts) assert.include(program, part.slice(part.lastIndexOf("/")), `nobody asks for ${part}`)
        const expected = [
          "CHANGELOG.md",
          "LICENSE",
          "README.md",
          "SECURITY.md",
          "dist/THIRD-PARTY-LICENSES.txt",
          "dist/cli.js",
          ...parts,
          ...["dist/admin", "dist/cli"].flatMap((to) => page.map((name) => `${to}/dashboard/${name}`)),
          "package.json",
          "server.json",
          "server.schema.json",
          ...[...modules].flatMap((path) => [path, `${path}.map`, path.replace(/\.js$/, ".d.ts")])
        ]
        assert.deepStrictEqual(packed.files.map(({ path }) => path).toSorted(), expected.toSorted())
      })
    )

    // About 15 % above what it was when the bound was last set.
    it.effect("is small", () =>
      Effect.gen(function* () {
        const { packed } = yield* Package
        const program = packed.files.find(({ path }) => path === "dist/cli.js")!
        assert.isAtMost(packed.size, 835 * KIB, "packed")
        assert.isAtMost(packed.unpackedSize, 3000 * KIB, "unpacked")
        assert.isAtMost(program.size, 286 * KIB, "dist/cli.js")
      })
    )

    it.effect("has source maps that need no other file", () =>
      Effect.gen(function* () {
        const { directory, packed } = yield* Package
        const root = join(directory, "node_modules", manifest.name)
        for (const { path } of packed.files) {
          if (path.endsWith(".map")) {
            const { sources, sourcesContent } = JSON.parse(readFileSync(join(root, path), "utf8"))
            assert.lengthOf(sourcesContent, sources.length, path)
          } else if (/\.(js|ts)$/.test(path)) {
            const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(join(root, path), "utf8")) ?? []
            if (map !== undefined) assert.isTrue(existsSync(join(root, dirname(path), map)), path)
          }
        }
      })
    )

    it.effect("starts as a command", () =>
      Effect.gen(function* () {
        const { node } = yield* Package
        const { code, stdout } = yield* node(`node_modules/.bin/${manifest.name}`, "--version")
        assert.strictEqual(code, 0)
        assert.include(stdout, manifest.version)
      })
    )
  })

  describe("modules", () => {
    it.effect.each(entries)("$specifier does nothing when it is imported", ({ specifier }) =>
      Effect.gen(function* () {
        const { node } = yield* Package
        const program = `
          const globals = Reflect.ownKeys(globalThis).length
          const listeners = process.eventNames().length
          const module = await import("${specifier}")
          if (Object.keys(module).length + ${specifier.endsWith("/Connection") ? 1 : 0} === 0) throw new Error("empty")
          if (Reflect.ownKeys(globalThis).length !== globals) throw new Error("a new global")
          if (process.eventNames().length !== listeners) throw new Error("a new listener on process")
          const resources = process.getActiveResourcesInfo().filter((name) => name !== "PipeWrap")
          if (resources.length > 0) throw new Error("left behind: " + resources)`
        assert.deepStrictEqual(yield* node("--input-type=module", "--eval", program), {
          code: 0,
          stdout: "",
          stderr: ""
        })
      })
    )

    it.effect.each(entries)(
      "$specifier leaves nothing in the bundle of a program that does not use it",
      ({ specifier }) =>
        Effect.gen(function* () {
          const { directory } = yield* Package
          assert.strictEqual(
            yield* bundle(directory, `import * as unused from "${specifier}"; console.log(1)`),
            "console.log(1);export{};"
          )
        })
    )

    it.effect("Notice alone is a notice in the bundle", () =>
      Effect.gen(function* () {
        const { directory } = yield* Package
        const own = `import { IDLE } from "${manifest.name}/Notice"; console.log(IDLE)`
        assert.isAtMost((yield* bundle(directory, own)).length, 256)
      })
    )
  })

  describe("types", () => {
    const program = `
      import * as Console from "effect/Console"
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import { RelayLogger } from "${manifest.name}/RelayLogger"
      import { RelayServer } from "${manifest.name}/RelayServer"
      import { ServerConfig } from "${manifest.name}/ServerConfig"

      const Relay = RelayServer.layerConfig.pipe(
        Layer.provide(RelayLogger.layerSilent),
        Layer.provide(ServerConfig.layerValue({ port: 0 }))
      )

      await Effect.runPromise(
        Effect.gen(function* () {
          const { address } = yield* RelayServer
          yield* Console.log(\`\${address.host}:\${address.port}\`)
        }).pipe(Effect.provide(Relay))
      )`
    const resolutions = Object.keys(RESOLUTIONS) as Array<keyof typeof RESOLUTIONS>

    it.effect.each(resolutions)("are found with %s, of every module", (resolution) =>
      Effect.gen(function* () {
        const { check, write } = yield* Package
        const imports = entries.map(({ specifier }, i) => `export * as m${i} from "${specifier}"\n`)
        yield* write("imports.ts", imports.join(""))
        yield* write("server.ts", program)
        assert.deepStrictEqual(yield* check(resolution, "imports.ts", "server.ts"), { code: 0, stdout: "", stderr: "" })
      })
    )

    it.effect.each(resolutions)("are not any with %s", (resolution) =>
      Effect.gen(function* () {
        const { check, write } = yield* Package
        yield* write("wrong.ts", program.replace("address.port", "address.prot"))
        const { code, stdout } = yield* check(resolution, "wrong.ts")
        assert.notStrictEqual(code, 0)
        assert.include(stdout, "Property 'prot' does not exist on type 'BoundAddress'")
      })
    )

    it.effect("are those of a server that listens", () =>
      Effect.gen(function* () {
        const { node, write } = yield* Package
        yield* write("server.ts", program)
        const { code, stdout, stderr } = yield* node("server.ts")
        assert.strictEqual(stderr, "")
        assert.match(stdout, /^127\.0\.0\.1:\d+\n$/)
        assert.strictEqual(code, 0)
      })
    )
  })
})

/** What a bundler makes of a program in the project. */
const bundle = (directory: string, program: string) =>
  Effect.promise(async () => {
    const build = await rolldown({
      cwd: directory,
      input: "program",
      external: [/^effect\b/, /^@effect\//, /^node:/],
      platform: "node",
      plugins: [
        {
          name: "program",
          resolveId: (id) => (id === "program" ? join(directory, "program.js") : null),
          load: (id) => (id === join(directory, "program.js") ? program : null)
        }
      ]
    })
    const { output } = await build.generate({ format: "esm", minify: true })
    return output[0].code.trim()
  })
