import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import { distance } from "fastest-levenshtein"
import * as ConfigPath from "./ConfigPath.ts"
import { HIDDEN, showShort } from "./redact.ts"

/** One thing that is wrong with a configuration. */
export interface Problem extends Schema.Schema.Type<typeof Problem> {}

/** The schema of a problem. */
export const Problem = Schema.Struct({
  /** Where, as it is written in the file: `hyper_parameters.slow_consumer.policy`, or `line 3, column 1`. */
  path: Schema.String,
  expected: Schema.String,
  found: Schema.String,
  /** What to write instead, where that can be told; else empty. */
  hint: Schema.String
})

/** Why a configuration cannot be used. `message` is the whole story, for a terminal. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** The file, or a name for where else the configuration came from. */
  source: Schema.String,
  /** What went wrong, in a few words. */
  summary: Schema.String,
  /** One entry a wrong key. Empty for a file that cannot be read. */
  issues: Schema.Array(Problem)
}) {
  override get message(): string {
    return [`${this.source}: ${this.summary}`, ...this.issues.map(formatProblem)].join("\n  ")
  }
}

/** A problem as one line for a person. */
export const formatProblem = ({ path, expected, found, hint }: Problem): string =>
  `${path}: expected ${expected}, found ${found}${hint === "" ? "" : `; ${hint}`}`

/** What a report needs to know of one configuration key or group of keys. */
export interface KnownKey {
  readonly path: string
  readonly isGroup?: boolean
  readonly expected: string
  readonly default: unknown
  /** What each item of a list has to be. */
  readonly itemExpected?: string | undefined
  /** Whether its value must not be shown to anybody. */
  readonly isSecret?: boolean
}

/** Where a group should be, only what kind of thing there is instead: its parts may be secrets. */
const showInsteadOfGroup = (value: unknown): string => {
  if (typeof value === "string") return "a string"
  return Array.isArray(value) && value.length > 0 ? "a list" : showShort(value)
}

/** A key that the configuration leaves out can still disagree with another one. */
const showFound = (value: unknown, path: ReadonlyArray<PropertyKey>, known: ReadonlyMap<string, KnownKey>): string => {
  const key = path.length === 0 ? TOP_LEVEL : known.get(formatPath(path))
  if (key?.isGroup === true) return showInsteadOfGroup(value)
  if (value === undefined && key !== undefined) return `${showShort(key.default)} (the default)`
  return (key ?? listOf(path, known))?.isSecret === true ? HIDDEN : showShort(value)
}

const TOP_LEVEL: KnownKey = { path: "", isGroup: true, expected: "an object", default: {} }

/** The key that has the list in which this is an item. */
const listOf = (path: ReadonlyArray<PropertyKey>, known: ReadonlyMap<string, KnownKey>): KnownKey | undefined =>
  typeof path.at(-1) === "number" ? known.get(formatPath(path.slice(0, -1))) : undefined

const expectedAt = (path: ReadonlyArray<PropertyKey>, known: ReadonlyMap<string, KnownKey>): string => {
  if (path.length === 0) return "an object"
  return known.get(formatPath(path))?.expected ?? listOf(path, known)?.itemExpected ?? "a string"
}

const formatPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`
    const name = String(key)
    if (!/^[\w$-]+$/.test(name)) return `${text}[${showShort(name)}]`
    return text === "" ? name : `${text}.${name}`
  }, "")

interface Finding {
  readonly path: ReadonlyArray<PropertyKey>
  readonly unknown: boolean
  /** Given by checks that compare keys with each other. */
  readonly expected: string | undefined
}

const findings = (issue: SchemaIssue.Issue, path: ReadonlyArray<PropertyKey> = []): ReadonlyArray<Finding> => {
  switch (issue._tag) {
    case "Filter":
    case "Encoding":
      return findings(issue.issue, path)
    case "Pointer":
      return findings(issue.issue, [...path, ...issue.path])
    case "Composite":
    case "AnyOf":
      return issue.issues.length === 0
        ? [{ path, unknown: false, expected: undefined }]
        : issue.issues.flatMap((inner) => findings(inner, path))
    case "InvalidValue": {
      const message = issue.annotations?.["message"]
      return [{ path, unknown: false, expected: typeof message === "string" ? message : undefined }]
    }
    default:
      return [{ path, unknown: issue._tag === "UnexpectedKey", expected: undefined }]
  }
}

const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "")

/** 0 for a name in another case or style (`logLevel`), at most 1.5 for a part of it (`rate_limit`), else the edits. */
const nameDistance = (given: string, known: string): number => {
  const a = bare(given)
  const b = bare(known)
  const edits = distance(a, b)
  return a.length >= 4 && b.includes(a) ? Math.min(edits, 1.5) : edits
}

/**
 * The known key nearest to an unknown one, if any is near. The same name in another group is nearer than another name in
 * this group.
 */
export const nearest = (path: ReadonlyArray<PropertyKey>, known: ReadonlyArray<KnownKey>): string | undefined => {
  const name = String(path.at(-1))
  const group = formatPath(path.slice(0, -1))
  let best: string | undefined
  let shortest = Math.max(2.5, bare(name).length * 0.4)
  for (const candidate of known) {
    const away =
      nameDistance(name, ConfigPath.nameOf(candidate.path)) + (ConfigPath.groupOf(candidate.path) === group ? 0 : 0.5)
    if (away < shortest) {
      best = candidate.path
      shortest = away
    }
  }
  return best
}

/** The hint that goes with `nearest`. */
export const didYouMean = (name: string | undefined): string => (name === undefined ? "" : `did you mean ${name}?`)

/** A problem, and what is needed to put several sources of one configuration together. */
export interface KeyProblem {
  /** The key at which it was found, by its path in the schema. */
  readonly key: string
  /** Whether the value is fine as such and only disagrees with that of another key. */
  readonly comparesKeys: boolean
  readonly problem: Problem
}

const originOf = (schemaPath: string, origins: ReadonlyMap<string, string>): string => {
  const [key] = schemaPath.split("[", 1)
  const origin = origins.get(key!)
  return origin === undefined ? schemaPath : origin + schemaPath.slice(key!.length)
}

/**
 * Everything that is wrong with a configuration, one problem a path.
 *
 * @param options.issue what the schema found
 * @param options.input the value it was given
 * @param options.known every group and key of the schema
 * @param options.origins where a key stands, if not at its own path
 */
export const problems = (options: {
  readonly issue: SchemaIssue.Issue
  readonly input: unknown
  readonly known: ReadonlyArray<KnownKey>
  readonly origins: ReadonlyMap<string, string>
}): ReadonlyArray<KeyProblem> => {
  const { known, origins } = options
  const knownKeys = new Map(known.map((key) => [key.path, key]))
  const found = new Map<string, KeyProblem>()
  for (const { path, unknown, expected } of findings(options.issue)) {
    const key = formatPath(path)
    found.set(key, {
      key,
      comparesKeys: expected !== undefined,
      problem: {
        path: originOf(key, origins) || "(top level)",
        ...(unknown
          ? {
              expected: "a known key",
              found: `unknown key ${showShort(String(path.at(-1)))}`,
              hint: didYouMean(nearest(path, known))
            }
          : {
              expected: expected ?? expectedAt(path, knownKeys),
              found: showFound(ConfigPath.valueAt(options.input, path), path, knownKeys),
              hint: ""
            })
      }
    })
  }
  return [...found.values()]
}

/** The report of all these problems. */
export const invalid = (source: string, issues: ReadonlyArray<Problem>): ConfigError =>
  new ConfigError({ source, summary: issues.length === 1 ? "1 problem" : `${issues.length} problems`, issues })

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text"
}

/** Why a file could not be read, by the code of the error that Node gave. */
export const unreadable = (source: string, cause: unknown): ConfigError => {
  const { code = "", message } = cause as NodeJS.ErrnoException
  return new ConfigError({ source, summary: `cannot be read: ${READ_ERRORS[code] ?? message}`, issues: [] })
}
