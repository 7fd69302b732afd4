/** Where a key is in a configuration: its name and those of the groups around it, with dots between (`logger.log_level`). */
import { isJsonObject } from "../internal/JsonObject.ts"

/** The path of the group that a key is in; empty at the top level. */
export const groupOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("."), 0))

/** The name of a key within its group. */
export const nameOf = (path: string): string => path.slice(path.lastIndexOf(".") + 1)

/** The names on the way to a key. */
const namesOf = (path: string): ReadonlyArray<string> => (path === "" ? [] : path.split("."))

/**
 * What a configuration has at a path, if anything.
 *
 * @param path or the names in it, of which those in a list are its indexes
 */
export const valueAt = (values: unknown, path: string | ReadonlyArray<PropertyKey>): unknown =>
  (typeof path === "string" ? namesOf(path) : path).reduce<unknown>(
    (value, name) => (value as Record<PropertyKey, unknown> | null | undefined)?.[name],
    values
  )

/** Changes a configuration at a path, of which the group must be there. */
export const setAt = (values: unknown, path: string, value: unknown): void => {
  const group = valueAt(values, groupOf(path))
  if (!isJsonObject(group)) throw new Error(`${path}: the configuration has no such group`)
  group[nameOf(path)] = value
}

/** A configuration that has only one key. */
export const only = (path: string, value: unknown): object =>
  namesOf(path).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object
