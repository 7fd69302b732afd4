/** Paths of keys: the names of the groups and of the key, separated by dots (`logger.log_level`). */
import { isJsonObject } from "../internal/JsonObject.ts"

/** The path of the group that a key is in; empty at the top level. */
export const groupOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("."), 0))

/** The name of a key within its group. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1)

const namesOf = (path: string): ReadonlyArray<string> => (path === "" ? [] : path.split("."))

/** The value at a path, which may also be given as names and indexes of lists; `undefined` where there is none. */
export const valueAt = (values: unknown, path: string | ReadonlyArray<PropertyKey>): unknown =>
  (typeof path === "string" ? namesOf(path) : path).reduce<unknown>(
    (value, name) => (value as Record<PropertyKey, unknown> | null | undefined)?.[name],
    values
  )

/** Sets the value at a path. Throws if the group is missing. */
export const setAt = (values: unknown, path: string, value: unknown): void => {
  const group = valueAt(values, groupOf(path))
  if (!isJsonObject(group)) throw new Error(`${path}: the configuration has no such group`)
  group[nameOf(path)] = value
}

/** A configuration of one key. */
export const only = (path: string, value: unknown): object =>
  namesOf(path).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object
