const SEVERITIES = ["info", "low", "moderate", "high", "critical"] as const

interface Vulnerability {
  readonly name: string
  readonly severity: (typeof SEVERITIES)[number]
  readonly range: string
  readonly via: ReadonlyArray<string | { readonly title?: string; readonly url?: string }>
}

/** What is known of a package, for people. */
export interface Advisory {
  readonly text: string
  /** Whether `npm run check` must not pass with it. */
  readonly isFatal: boolean
}

/**
 * What `npm audit --json` says. Of a package that users get everything is fatal; of a tool only what is severe, because most
 * else is about input that only we give it.
 *
 * @param shipped the packages that users get
 * @returns `undefined` if the registry did not answer: many answer nothing, and a check must pass offline
 */
export const advisoriesOf = (output: string, shipped: ReadonlySet<string>): ReadonlyArray<Advisory> | undefined => {
  let report: { readonly vulnerabilities?: Readonly<Record<string, Vulnerability>> }
  try {
    report = JSON.parse(output)
  } catch {
    return undefined
  }
  if (report.vulnerabilities === undefined) return undefined
  return Object.values(report.vulnerabilities).map(({ name, range, severity, via }) => {
    const why = via.map((cause) =>
      typeof cause === "string" ? `through ${cause}` : [cause.title, cause.url].join(" ")
    )
    return {
      text: `${name} ${range}: ${severity}: ${why.join("; ")}`,
      isFatal: shipped.has(name) || SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf("high")
    }
  })
}
