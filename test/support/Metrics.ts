import * as Docs from "./Docs.ts"

/** A metric, as docs/operating.md describes it. */
export interface Metric {
  readonly name: string
  readonly kind: string
  /** Its labels, with their values. */
  readonly labels: ReadonlyMap<string, ReadonlyArray<string>>
}

/** The labels of metrics: entries with notes; the others explain values. */
const labelled = new Map(
  Docs.entriesBelow("docs/operating.md", "### Labels").flatMap(({ meaning, names, notes }) =>
    notes === undefined
      ? []
      : names.map((name) => [name, new Map([[Docs.code(notes)[0]!, Docs.code(meaning)]])] as const)
  )
)

/** The metrics that have labels. */
export const labelledMetrics: ReadonlyArray<string> = Array.from(labelled.keys())

const metricsBelow = (heading: string, labelsOf: (name: string) => Metric["labels"]): ReadonlyArray<Metric> =>
  Docs.entriesBelow("docs/operating.md", heading).flatMap(({ names, notes }) =>
    names.map((name) => ({
      name,
      kind: name.endsWith("_total") ? "counter" : (notes ?? "gauge"),
      labels: labelsOf(name)
    }))
  )

/** Every metric that docs/operating.md knows. */
export const metrics: ReadonlyArray<Metric> = metricsBelow("## Metrics", (name) => labelled.get(name) ?? new Map())

const OF_WORKERS = new Map<string, ReadonlyArray<string>>([
  ["worker", []],
  ["stat", ["p50", "p99", "max"]]
])

/** Those of a server of several threads only, by `worker`. */
export const workerMetrics: ReadonlyArray<Metric> = metricsBelow("### Of several threads", () => OF_WORKERS)
