import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { runInNewContext } from "node:vm"
import { parse } from "yaml"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import * as Docs from "../support/Docs.ts"
import { ROOT } from "../support/Package.ts"

/** A constant of the scripts of the dashboard, which share one scope. */
const constantOf = <A>(name: string, ...scripts: ReadonlyArray<string>): A => {
  const code = scripts.map((script) => readFileSync(join(ROOT, "src/admin/dashboard", script), "utf8"))
  return runInNewContext(`${code.join("\n")}\n${name}`) as A
}

interface Check {
  readonly alert: string
  readonly severity: string
  readonly limit: number
  readonly word: string
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
}

const { groups } = parse(readFileSync(join(ROOT, "deploy/prometheus-alerts.yaml"), "utf8")) as {
  readonly groups: readonly [{ readonly rules: ReadonlyArray<Rule> }]
}

describe("the health of the dashboard", () => {
  const checks = constantOf<ReadonlyArray<Check>>("CHECKS", "formats.js", "history.js", "health.js")

  it("has the limits and severities of the alerts", () => {
    assert.isAtLeast(checks.length, 10)
    for (const { alert, limit, severity } of checks) {
      const rule = groups[0].rules.find((rule) => rule.alert === alert)
      assert.isDefined(rule, alert)
      const limits = Array.from(rule!.expr.matchAll(/(?:>|==) ([\d.e]+)/g), ([, limit]) => Number(limit))
      assert.include(limits, limit, alert)
      assert.strictEqual(severity, rule!.labels.severity, alert)
    }
  })
})

describe("docs/operating.md", () => {
  it("explains every word of the health badge, with its alert and colour", () => {
    const checks = constantOf<ReadonlyArray<Check>>("CHECKS", "formats.js", "history.js", "health.js")
    const rows = Docs.rowsBelow("docs/operating.md", "### Health")
    assert.deepStrictEqual(
      rows.slice(1).map(([word, colour, , alert]) => [word, colour, alert]),
      checks.map(({ alert, severity, word }) => [word, severity === "page" ? "red" : "yellow", `\`${alert}\``])
    )
  })
})

describe("the words of the dashboard for how clients leave", () => {
  it("are there for every way", () => {
    const tables = ["elements.js", "formats.js", "totals.js"]
    const words = constantOf<Readonly<Record<string, string>>>("DEPARTURES", ...tables)
    const keys = Object.keys(noDisconnects()).map((kind) => kind.replaceAll(" ", "_"))
    assert.sameMembers(Object.keys(words), keys)
  })
})
