import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { noticesOf } from "../../rolldown.licenses.ts"
import * as Directory from "../support/Directory.ts"
import { ROOT } from "../support/Package.ts"
import { advisoriesOf } from "../../scripts/audit/advisories.ts"
import { isInRange } from "../../scripts/audit/engines.ts"
import { type Lock, type Manifest, problemsOf, shipped } from "../../scripts/audit/lock.ts"

const read = (file: string) => JSON.parse(readFileSync(join(ROOT, file), "utf8"))
const manifest: Manifest = read("package.json")
const lock: Lock = read("package-lock.json")

const SHA512 = `sha512-${"A".repeat(86)}==`

/** The problems of a lockfile with another package in it. */
const problemsWith = (entry: object, path = "node_modules/evil") =>
  problemsOf(manifest, {
    ...lock,
    packages: { ...lock.packages, [path]: { version: "1.0.0", integrity: SHA512, ...entry } }
  })

/** The problems of other dependencies, which the lockfile has too. */
const problemsOfManifest = (changes: Manifest) => {
  const changed = { ...manifest, ...changes }
  const { allowScripts: _, ...root } = { ...lock.packages[""], ...changes }
  return problemsOf(changed, { ...lock, packages: { ...lock.packages, "": root } })
}

describe("the lockfile", () => {
  it("is without problems in this checkout", () => {
    assert.deepStrictEqual(problemsOf(manifest, lock), [])
    assert.deepStrictEqual(problemsWith({}), [])
  })

  it.each<[object, RegExp]>([
    [{ version: "git+ssh://git@host/evil.git#abc" }, /^node_modules\/evil: has the version "git\+ssh/],
    [{ version: "^1.0.0" }, /expected an exact one/],
    [{ link: true }, /is a link/],
    [{ resolved: "https://elsewhere/evil.tgz" }, /names where it is downloaded from/],
    [{ engines: { node: ">=22" } }, /says which Node\.js it needs/],
    [{ integrity: undefined }, /has no checksum/],
    [{ integrity: undefined, optional: true }, /has no checksum/],
    [{ integrity: "sha1-abc=" }, /expected SHA-512/],
    [{ hasInstallScript: true }, /runs a script/],
    [{ dependencies: { more: "github:evil/more" } }, /depends on more from "github:evil\/more"/],
    [{ peerDependencies: { more: "file:../more" } }, /depends on more from "file/],
    [{ optionalDependencies: { more: "https://host/more.tgz" } }, /depends on more from "https/]
  ])("may not have a package with %j", (entry, problem) => {
    const problems = problemsWith(entry)
    assert.lengthOf(problems, 1)
    assert.match(problems[0]!, problem)
  })

  it("may have packages for other platforms without a checksum, and the scripts that are allowed", () => {
    assert.deepStrictEqual(problemsWith({ integrity: undefined, optional: true, os: ["darwin"] }), [])
    assert.deepStrictEqual(problemsWith({ hasInstallScript: true }, "node_modules/a/node_modules/node"), [])
    assert.lengthOf(problemsWith({}, "packages/local"), 1)
  })

  it("must be that of package.json, whose versions are exact and which makes users install little", () => {
    const { devDependencies } = manifest
    assert.match(problemsOf({ ...manifest, devDependencies: {} }, lock).join(), /devDependencies .* differ/)
    assert.match(
      problemsOfManifest({ devDependencies: { ...devDependencies, evil: "^1.0.0" } }).join(),
      /no exact version/
    )
    assert.match(
      problemsOfManifest({ devDependencies: { ...devDependencies, evil: "latest" } }).join(),
      /no exact version/
    )
    assert.match(problemsOfManifest({ dependencies: { evil: "1.0.0" } }).join(), /evil: users would install it/)
    assert.match(problemsOfManifest({ dependencies: { "jsonc-parser": "^3.3.1" } }).join(), /no exact version/)
    assert.match(problemsOf(manifest, { ...lock, lockfileVersion: 2 }).join(), /expected 3/)
  })
})

describe("the range of Node.js versions that a package asks for", () => {
  it.each([
    "*",
    "26",
    "20 || >=22",
    ">= 22.x",
    ">=22.19.0",
    ">= 20.0.0",
    "10.* || >= 12.*",
    "^20.19.0 || ^22.13.0 || >=23.5.0",
    "^26.9.0",
    "~26.10.0",
    ">=20 <27",
    "<=26.10.0"
  ])("includes Node.js 26.10.0 when it is %j", (range) => assert.isTrue(isInRange("26.10.0", range)))

  it.each([
    "25",
    "20 || 22.x",
    ">=26.11.0",
    ">26.10.0",
    "<26.10.0",
    ">=18 <26",
    "^26.10.1",
    "^25.0.0",
    "~26.9.0",
    "lts"
  ])("excludes Node.js 26.10.0 when it is %j", (range) => assert.isFalse(isInRange("26.10.0", range)))
})

describe("security advisories", () => {
  const report = (name: string, severity: string) =>
    JSON.stringify({
      auditReportVersion: 2,
      vulnerabilities: { [name]: { name, severity, range: "<1", via: [{ title: "Bad", url: "https://x" }, "other"] } }
    })
  const users = shipped(lock)

  it("are fatal for whatever users get, and for tools when they are severe", () => {
    assert.includeMembers([...users], ["effect", "@effect/platform-node", "@effect/platform-node-shared", "undici"])
    assert.notInclude([...users], "vitest")
    for (const [name, severity, isFatal] of [
      ["undici", "low", true],
      ["vitest", "moderate", false],
      ["vitest", "high", true],
      ["vitest", "critical", true]
    ] as const) {
      const text = `${name} <1: ${severity}: Bad https://x; through other`
      assert.deepStrictEqual(advisoriesOf(report(name, severity), users), [{ text, isFatal }])
    }
    assert.deepStrictEqual(advisoriesOf('{"auditReportVersion":2,"vulnerabilities":{}}', users), [])
  })

  it("are unknown where the registry does not tell", () => {
    for (const output of ["", "not JSON", '{"message":"405 Method Not Allowed"}', '{"error":{"code":"ENOTFOUND"}}']) {
      assert.isUndefined(advisoriesOf(output, users))
    }
  })
})

describe("a bundled dependency", () => {
  const bundling = (license: string | undefined, files: Record<string, string>) =>
    Effect.map(Directory.make(), (root) => {
      const directory = join(root, "node_modules/@scope/other")
      mkdirSync(directory, { recursive: true })
      writeFileSync(
        join(directory, "package.json"),
        JSON.stringify({ name: "@scope/other", version: "1.2.3", license })
      )
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
      return () => noticesOf([join(directory, "dist/a.js"), join(directory, "b.js"), join(root, "src/own.ts")])
    })

  it.effect("comes with its license, once", () =>
    Effect.gen(function* () {
      const notices = yield* bundling("MIT", { LICENSE: "Copyright (c) Somebody\n", "NOTICE.md": "Of somebody" })
      assert.include(notices(), "@scope/other 1.2.3 (MIT)\n\nCopyright (c) Somebody\n\nOf somebody\n")
      assert.strictEqual(notices().split("Copyright").length, 2)
    })
  )

  it.effect("must have one that allows it, and its text", () =>
    Effect.gen(function* () {
      assert.throws(yield* bundling("GPL-3.0-only", { LICENSE: "x" }), /@scope\/other has the license "GPL-3\.0-only"/)
      assert.throws(yield* bundling(undefined, { LICENSE: "x" }), /@scope\/other has the license undefined/)
      assert.throws(yield* bundling("MIT", { "README.md": "x" }), /@scope\/other comes without the text/)
    })
  )

  it("is listed beside the program", () => {
    const file = join(ROOT, "dist/THIRD-PARTY-LICENSES.txt")
    assert.isTrue(existsSync(file), `${dirname(file)} is built`)
    const text = readFileSync(file, "utf8")
    for (const name of ["effect", "@effect/platform-node", "@effect/platform-node-shared"]) {
      assert.match(text, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, "m"))
    }
    assert.include(text, "Permission is hereby granted")
  })
})
