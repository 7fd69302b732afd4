/** What the rules below read of a `package.json`. */
export interface Manifest {
  readonly dependencies?: Names
  readonly devDependencies?: Names
  readonly optionalDependencies?: Names
  readonly peerDependencies?: Names
  /** Packages whose install scripts may run. */
  readonly allowScripts?: Readonly<Record<string, boolean>>
}

/** The same of a `package-lock.json`. */
export interface Lock {
  readonly lockfileVersion: number
  readonly packages: Readonly<Record<string, Entry>>
}

interface Entry extends Manifest {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly optional?: boolean
  readonly hasInstallScript?: boolean
  readonly os?: ReadonlyArray<string>
  readonly engines?: Names
}

type Names = Readonly<Record<string, string>>

const KINDS = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const

/** What users install with this package. Another one is a decision, to be taken in docs/decisions.md and here. */
const INSTALLED_BY_USERS = [
  "@effect/platform-node",
  "@nats-io/transport-node",
  "effect",
  "fastest-levenshtein",
  "jsonc-parser"
]

const EXACT = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/

/** A range of versions, of a package in a registry. */
const RANGE = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?[\w\s.*^~<>=|+-]+$/

const names = (manifest: Manifest, kind: (typeof KINDS)[number]) => Object.entries(manifest[kind] ?? {})

const same = (a: Names = {}, b: Names = {}): boolean =>
  JSON.stringify(Object.entries(a).toSorted()) === JSON.stringify(Object.entries(b).toSorted())

const manifestProblems = (manifest: Manifest, lock: Lock): ReadonlyArray<string> => {
  const root = lock.packages[""] ?? {}
  const installed = (["dependencies", "optionalDependencies", "peerDependencies"] as const).flatMap((kind) =>
    names(manifest, kind).map(([name]) => name)
  )
  return [
    ...(lock.lockfileVersion === 3 ? [] : [`lockfileVersion is ${lock.lockfileVersion}; expected 3`]),
    ...KINDS.filter((kind) => !same(manifest[kind], root[kind])).map(
      (kind) => `${kind} of package.json and of the lockfile differ: run npm run lock`
    ),
    ...[...names(manifest, "dependencies"), ...names(manifest, "devDependencies")]
      .filter(([, version]) => !EXACT.test(version))
      .map(([name, version]) => `${name}: ${JSON.stringify(version)} is no exact version`),
    ...installed
      .filter((name) => !INSTALLED_BY_USERS.includes(name))
      .map((name) => `${name}: users would install it; expected only ${INSTALLED_BY_USERS.join(", ")}`)
  ]
}

const entryProblems = (path: string, entry: Entry, { allowScripts = {} }: Manifest): ReadonlyArray<string> => {
  const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
  const sources = KINDS.flatMap((kind) => names(entry, kind)).filter(([, version]) => !RANGE.test(version))
  const problems = [
    !path.startsWith("node_modules/") && "is no package of a registry",
    entry.link === true && "is a link",
    !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(entry.version ?? "") &&
      `has the version ${JSON.stringify(entry.version)}; expected an exact one`,
    // Wherever it is from, what is installed is what has the checksum.
    entry.resolved !== undefined &&
      `names where it is downloaded from (${entry.resolved}); expected a lockfile that works with any registry: run npm run lock`,
    entry.engines !== undefined &&
      "says which Node.js it needs, which npm compares with its own and not with ours: run npm run lock",
    entry.integrity === undefined
      ? !(entry.optional === true && entry.os !== undefined) && "has no checksum, and is not for other platforms only"
      : !/^sha512-[A-Za-z0-9+/]{86}==$/.test(entry.integrity) &&
        `has the checksum ${entry.integrity}; expected SHA-512`,
    entry.hasInstallScript === true &&
      allowScripts[name] !== true &&
      "runs a script when it is installed; expected only those of allowScripts in package.json",
    ...sources.map(([other, version]) => `depends on ${other} from ${JSON.stringify(version)}; expected a registry`)
  ]
  return problems.flatMap((problem) => (problem === false ? [] : [`${path}: ${problem}`]))
}

/** Everything in a lockfile that could bring other code than what was reviewed. */
export const problemsOf = (manifest: Manifest, lock: Lock): ReadonlyArray<string> => [
  ...manifestProblems(manifest, lock),
  ...Object.entries(lock.packages).flatMap(([path, entry]) => (path === "" ? [] : entryProblems(path, entry, manifest)))
]

/** The packages whose code users get: what they install with this package, and what that needs. */
export const shipped = ({ packages }: Lock): ReadonlySet<string> => {
  const found = new Set<string>()
  const visit = (name: string) => {
    if (found.has(name)) return
    found.add(name)
    for (const [path, entry] of Object.entries(packages)) {
      if (path.endsWith(`node_modules/${name}`)) names(entry, "dependencies").forEach(([inner]) => visit(inner))
    }
  }
  INSTALLED_BY_USERS.forEach(visit)
  return found
}
