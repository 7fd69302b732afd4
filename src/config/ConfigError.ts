import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import { distance } from "fastest-levenshtein"
import { escapeInvisible, invisibleIn } from "../internal/escape.ts"
import type { Key } from "./ConfigKeys.ts"
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

/** Why a configuration cannot be used. `message` lists every problem, for a terminal. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** The file, or the name of another source. */
  source: Schema.String,
  summary: Schema.String,
  /** One for each wrong key. Empty for a file that cannot be read. */
  issues: Schema.Array(Problem)
}) {
  override get message(): string {
    return [escapeInvisible(`${this.source}: ${this.summary}`), ...this.issues.map(formatProblem)].join("\n  ")
  }
}

export const formatProblem = ({ path, expected, found, hint }: Problem): string =>
  escapeInvisible(`${path}: expected ${expected}, found ${found}${hint === "" ? "" : `; ${hint}`}`)

/** What reports need to know of a key or a group. */
export type KnownKey = Pick<Key, "path" | "expected" | "default"> & Partial<Key>

/** Shows only the kind of a value that stands where a group should be: its parts may be secrets. */
const showInsteadOfGroup = (value: unknown): string => {
  if (typeof value === "string") return "a string"
  return Array.isArray(value) && value.length > 0 ? "a list" : showShort(value)
}

/** Shows the default of a key that was left out and disagrees with another key. */
const showFound = (value: unknown, path: ReadonlyArray<PropertyKey>, known: ReadonlyMap<string, KnownKey>): string => {
  const key = path.length === 0 ? TOP_LEVEL : known.get(formatPath(path))
  if (key?.isGroup === true) return showInsteadOfGroup(value)
  if (value === undefined && key !== undefined) return `${showShort(key.default)} (the default)`
  return (key ?? listOf(path, known))?.isSecret === true ? HIDDEN : showShort(value)
}

const TOP_LEVEL: KnownKey = { path: "", isGroup: true, expected: "an object", default: {} }

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

/** The innermost issues, each with its path. */
const leavesOf = (
  issue: SchemaIssue.Issue,
  path: ReadonlyArray<PropertyKey> = []
): ReadonlyArray<readonly [path: ReadonlyArray<PropertyKey>, leaf: SchemaIssue.Issue]> => {
  if (issue._tag === "Filter" || issue._tag === "Encoding") return leavesOf(issue.issue, path)
  if (issue._tag === "Pointer") return leavesOf(issue.issue, [...path, ...issue.path])
  if ((issue._tag === "Composite" || issue._tag === "AnyOf") && issue.issues.length > 0) {
    return issue.issues.flatMap((inner) => leavesOf(inner, path))
  }
  return [[path, issue]]
}

const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "")

/** 0 for a name in another case or style (`logLevel`), at most 1.5 for a part of it (`rate_limit`), else the edits. */
const nameDistance = (given: string, known: string): number => {
  const a = bare(given)
  const b = bare(known)
  const edits = distance(a, b)
  return a.length >= 4 && b.includes(a) ? Math.min(edits, 1.5) : edits
}

/** The known key nearest to an unknown one, if any is near. The same name in another group is nearer than another name in this one. */
export const nearest = (path: ReadonlyArray<PropertyKey>, known: Iterable<KnownKey>): string | undefined => {
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

/** A problem, with what merging several sources needs to know of it. */
export interface KeyProblem {
  /** The key at which it was found, by its path in the schema. */
  readonly key: string
  /** Whether the value is valid by itself and only disagrees with another key. */
  readonly comparesKeys: boolean
  readonly problem: Problem
}

const originOf = (schemaPath: string, origins: ReadonlyMap<string, string>): string => {
  const [key] = schemaPath.split("[", 1)
  const origin = origins.get(key!)
  return origin === undefined ? schemaPath : origin + schemaPath.slice(key!.length)
}

/**
 * The problems of a configuration, one for each path.
 *
 * @param options.known every group and key of the schema, by its path
 * @param options.origins what messages call a key, if not by its path
 */
export const problems = (options: {
  readonly issue: SchemaIssue.Issue
  readonly input: unknown
  readonly known: ReadonlyMap<string, KnownKey>
  readonly origins: ReadonlyMap<string, string>
}): ReadonlyArray<KeyProblem> => {
  const { known, origins } = options
  const found = new Map<string, KeyProblem>()
  for (const [path, leaf] of leavesOf(options.issue)) {
    // Only checks that compare keys word what they expect.
    const message = leaf._tag === "InvalidValue" ? leaf.annotations?.["message"] : undefined
    const expected = typeof message === "string" ? message : undefined
    const key = formatPath(path)
    const value = ConfigPath.valueAt(options.input, path)
    const character = typeof value === "string" ? invisibleIn(value) : undefined
    found.set(key, {
      key,
      comparesKeys: expected !== undefined,
      problem: {
        path: originOf(key, origins) || "(top level)",
        ...(leaf._tag === "UnexpectedKey"
          ? {
              expected: "a known key",
              found: `unknown key ${showShort(String(path.at(-1)))}`,
              hint: didYouMean(nearest(path, known.values()))
            }
          : {
              expected: expected ?? expectedAt(path, known),
              found: showFound(value, path, known),
              hint:
                character === undefined
                  ? (listOf(path, known)?.itemHint?.(value) ?? "")
                  : `it has an invisible character, ${character}`
            })
      }
    })
  }
  return [...found.values()]
}

export const invalid = (source: string, issues: ReadonlyArray<Problem>): ConfigError =>
  new ConfigError({ source, summary: issues.length === 1 ? "1 problem" : `${issues.length} problems`, issues })

/** What is wrong, if anything is. */
export const problemsIn = (values: Result.Result<unknown, ReadonlyArray<KeyProblem>>): ReadonlyArray<KeyProblem> =>
  Result.isFailure(values) ? values.failure : []

export const invalidKeys = (source: string, problems: ReadonlyArray<KeyProblem>): ConfigError =>
  invalid(
    source,
    problems.map(({ problem }) => problem)
  )

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EISDIR: "it is a directory",
  EACCES: "permission denied",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text"
}

export const unreadable = (source: string, cause: unknown): ConfigError => {
  const { code = "", message } = cause as NodeJS.ErrnoException
  return new ConfigError({ source, summary: `cannot be read: ${READ_ERRORS[code] ?? message}`, issues: [] })
}
