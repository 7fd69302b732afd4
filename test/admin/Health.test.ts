import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parse } from "yaml"
import { CHECKS } from "../../src/admin/dashboard/health.ts"
import { DEPARTURES } from "../../src/admin/dashboard/words.ts"
import { noDisconnects } from "../../src/room/DisconnectReason.ts"
import * as Docs from "../support/Docs.ts"
import { ROOT } from "../support/Package.ts"

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
}

const { groups } = parse(readFileSync(join(ROOT, "deploy/prometheus-alerts.yaml"), "utf8")) as {
  readonly groups: readonly [{ readonly rules: ReadonlyArray<Rule> }]
}

describe("the health of the dashboard", () => {
  it("has the limits and severities of the alerts", () => {
    assert.isAtLeast(CHECKS.length, 10)
    for (const { alert, limit, severity } of CHECKS) {
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
    const entries = Docs.entriesBelow("docs/operating.md", "### Health")
    assert.deepStrictEqual(
      entries.map(({ names, notes }) => [names, notes]),
      CHECKS.map(({ alert, severity, word }) => [[word], `${severity === "page" ? "red" : "yellow"}; \`${alert}\``])
    )
  })
})

describe("the words of the dashboard for how clients leave", () => {
  it("are there for every way", () => {
    const keys = Object.keys(noDisconnects()).map((kind) => kind.replaceAll(" ", "_"))
    assert.sameMembers(Object.keys(DEPARTURES), keys)
  })
})
