import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { RelayServer } from "../../src/RelayServer.ts"
import { presets } from "../../src/commands/presets.ts"
import * as DisconnectReason from "../../src/room/DisconnectReason.ts"
import { noTotals } from "../../src/session/Incidents.ts"
import * as ServerConfig from "../../src/config/ServerConfig.ts"
import * as Docs from "../support/Docs.ts"
import { ROOT } from "../support/Package.ts"

const OPERATING = "docs/operating.md"

/** What these print is for whoever called them. */
const NOT_THE_SERVER = /^(client|testing|commands\/(check|init|schema)\.ts|commands\/(connect|top))/

/** Every literal that the server logs, `<>` for what differs, and whether the page has to explain it. */
const logged = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !NOT_THE_SERVER.test(path))
  .flatMap((path) => {
    const source = readFileSync(join(ROOT, "src", path), "utf8")
    return [
      ...source.matchAll(
        /\b(Effect\.log(?:Debug|Info|Warning|Error)|log|report|complain|background)\(\s*(?:"([^"]*)"|`([^`]*)`)/g
      ),
      // In place of dropped lines.
      ...Array.from(source.matchAll(/\bslow: "([^"]+ [^"]+)"/g), ([, why]) => ["", "", `<> dropped here: ${why}`])
    ].map(([, by, text, template]) => ({
      line: text ?? template!.replace(/\$\{[^}]*\}/g, "<>"),
      // What is at INFO explains itself; that a task has ended is a fault, whichever it is.
      isExplained: !/Info|Debug|background/.test(by!)
    }))
  })

const entries = ["### The server", "### Clients", "### The log itself"].flatMap((heading) =>
  Docs.entriesBelow(OPERATING, heading)
)

/** The lines that the page explains, in the same form. Entries of lines have a level, those of parts of lines have none. */
const documented = entries
  .filter(({ notes }) => notes !== undefined)
  .flatMap(({ names }) => names)
  .map((line) => line.replace("<path>: <old> -> <new>", "<change>").replace(/<[^>]*>/g, "<>"))

/** The parts that it explains: what has happened to a client, and why it was disconnected. */
const parts = entries.filter(({ notes }) => notes === undefined).flatMap(({ names }) => names)

/** Lines whose text is put together elsewhere. */
const ELSEWHERE = [
  "<> dropped here: the console was not read fast enough",
  "<> dropped here: the log file could not be written fast enough",
  "From <>: <>",
  "draining: no new clients",
  "taking new clients again",
  "worker_threads: <> configured, <> run: <>"
]

describe("docs/operating.md", () => {
  it("explains each warning and error that the server logs, and no line that it does not log", () => {
    assert.isAtLeast(logged.length, 20)
    const known = new Set([...logged.map(({ line }) => line), ...ELSEWHERE])
    const explained = new Set(logged.filter(({ isExplained }) => isExplained).map(({ line }) => line))
    assert.deepStrictEqual(
      {
        missing: Array.from(explained).filter((line) => !documented.includes(line)),
        gone: documented.filter((line) => !known.has(line))
      },
      { missing: [], gone: [] }
    )
  })

  it("says what each incident and each end of a session means", () => {
    assert.isDefined(RelayServer)
    for (const incident of Object.keys(noTotals())) {
      // Those at the door are named beside the line that they are in.
      const atTheDoor = entries.some(
        ({ meaning, names }) => names[0]!.includes("refused") && meaning.includes(`\`${incident}\``)
      )
      assert.isTrue(parts.includes(incident) || atTheDoor, `nothing about "${incident}"`)
    }
    for (const departure of Object.values(DisconnectReason)) {
      if (typeof departure === "object") assert.include(parts, departure.reason)
    }
    assert.include(parts, DisconnectReason.byApplication({}, false).reason)
  })
})

/** Complete configurations, as the pages show them. */
const configurations = Docs.PAGES.flatMap((path) =>
  Array.from(Docs.page(path).matchAll(/^```json\n([^]*?)^```/gm), ([, text], i) => ({
    name: `${path}, configuration ${i + 1}`,
    text: text!
  }))
)

describe("the configurations of the documentation", () => {
  it.effect.each(
    configurations.filter(({ name }) => /docs\/(configuration|deploying|operating|scaling|security)/.test(name))
  )("are accepted: $name", ({ name, text }) =>
    Effect.gen(function* () {
      const { warnings } = yield* ServerConfig.decode(JSON.parse(text), name)
      assert.deepStrictEqual(warnings, [])
    })
  )

  it("are the presets of init, each with its limits", () => {
    const documented = Docs.entriesBelow("docs/deploying.md", "## Recipes").map(({ names, notes }) => [names[0], notes])
    assert.deepStrictEqual(
      documented,
      Object.entries(presets).map(([name, { hyper_parameters }]) => [
        name,
        `${hyper_parameters.rate_limit_msgs_per_minute.toLocaleString("en")} lines a minute, ` +
          `${hyper_parameters.max_clients.toLocaleString("en")} clients`
      ])
    )
  })
})

describe("the tables of the documentation", () => {
  it.each(Docs.PAGES)("have a line below their header that makes them tables: %s", (path) => {
    const lines = Docs.page(path)
      .replace(/^```[^]*?^```/gm, "")
      .split("\n")
    for (const [i, line] of lines.entries()) {
      if (!line.startsWith("|") || lines[i - 1]?.startsWith("|")) continue
      assert.match(lines[i + 1]!, /^\|(?: ?:?-+:? ?\|)+$/, `${path}: ${line}`)
    }
  })
})

describe("the links of the documentation", () => {
  it.each(Docs.PAGES)("lead to files and sections that exist: %s", (path) => {
    const text = Docs.page(path).replace(/^```[^]*?^```/gm, "")
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [file, anchor] = target!.split("#")
      const linked = file === "" ? path : relative(ROOT, join(ROOT, dirname(path), file!))
      assert.isTrue(existsSync(join(ROOT, linked)), `${path}: ${target}`)
      if (anchor !== undefined) assert.isTrue(Docs.anchors(linked).has(anchor), `${path}: ${target}`)
    }
  })
})

/** What points to a page in words: comments, alerts, descriptions. */
const POINTING = ["src", "deploy", "bench", "test"]
  .flatMap((directory) =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: "utf8" }).map((path) => join(directory, path))
  )
  .filter((path) => /\.(ts|js|yaml|json|conf|service|timer)$/.test(path))
  .concat("Dockerfile", "CONTRIBUTING.md")

describe("the pages that code and deployment files name", () => {
  it("exist, with the sections that are named", () => {
    const named = POINTING.flatMap((file) =>
      Array.from(Docs.page(file).matchAll(/\b(docs\/[a-z-]+\.md)(?:#([a-z0-9-]+))?/g), ([pointer, path, anchor]) => ({
        pointer: `${file}: ${pointer}`,
        isThere: existsSync(join(ROOT, path!)) && (anchor === undefined || Docs.anchors(path!).has(anchor))
      }))
    )
    assert.isAtLeast(named.length, 40)
    assert.deepStrictEqual(
      named.filter(({ isThere }) => !isThere).map(({ pointer }) => pointer),
      []
    )
  })
})
