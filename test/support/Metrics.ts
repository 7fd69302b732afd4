import * as Docs from "./Docs.ts"

/** A metric, as docs/operating.md describes it. */
export interface Metric {
  readonly name: string
  readonly kind: string
  /** Its labels, with their values. */
  readonly labels: ReadonlyMap<string, ReadonlyArray<string>>
}

const labelled = new Map<string, Map<string, Array<string>>>()
let current = ""
for (const [metric = "", label = ""] of Docs.rowsBelow("docs/operating.md", "### Labels")) {
  const [name = current] = Docs.code(metric)
  current = name
  for (const [, key, value] of label.matchAll(/(\w+)="([^"]*)"/g)) {
    if (!labelled.has(name)) labelled.set(name, new Map())
    const values = labelled.get(name)!
    values.set(key!, [...(values.get(key!) ?? []), value!])
  }
}

/** Every metric that docs/operating.md knows. */
export const metrics: ReadonlyArray<Metric> = Docs.rowsBelow("docs/operating.md", "## Metrics").flatMap(
  ([first = "", kind = ""]) =>
    Docs.code(first).map((name) => ({ name, kind, labels: labelled.get(name) ?? new Map<string, Array<string>>() }))
)

/** Those of a server of several threads only, by `worker`. */
export const workerMetrics: ReadonlyArray<Metric> = Docs.rowsBelow(
  "docs/operating.md",
  "### Of several threads"
).flatMap(([first = "", kind = ""]) =>
  Docs.code(first).map((name) => ({
    name,
    kind,
    labels: new Map([
      ["worker", []],
      ["stat", ["p50", "p99", "max"]]
    ])
  }))
)
