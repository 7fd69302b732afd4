/** A part of a version that is not given, or `x`, may be anything: `20` is `20.x.x`. */
const parts = (version: string): ReadonlyArray<number> =>
  version.split(".").flatMap((part) => (/^\d+$/.test(part) ? [Number(part)] : []))

const compare = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  b.map((part, i) => (a[i] ?? 0) - part).find((difference) => difference !== 0) ?? 0

const COMPARATOR = /^(\^|~|>=|>|<=|<|)(\d[\w.*]*|\*)$/

const meets = (version: ReadonlyArray<number>, comparator: string): boolean => {
  const [, operator, text] = COMPARATOR.exec(comparator) ?? []
  if (text === undefined) return false
  const bound = parts(text)
  const order = compare(version, bound)
  const agreesIn = (count: number) => bound.slice(0, count).every((part, i) => version[i] === part)
  switch (operator) {
    case ">":
      return order > 0
    case ">=":
      return order >= 0
    case "<":
      return order < 0
    case "<=":
      return order <= 0
    case "^":
      return order >= 0 && agreesIn(1)
    case "~":
      return order >= 0 && agreesIn(2)
    default:
      return agreesIn(bound.length)
  }
}

/** Whether a version of Node.js is in a range, as `engines` writes them. A range that cannot be read has no versions. */
export const isInRange = (version: string, range: string): boolean =>
  range.split("||").some((alternative) => {
    const comparators = alternative.trim().replaceAll(/([<>=^~])\s+/g, "$1")
    return comparators.split(/\s+/).every((comparator) => meets(parts(version), comparator))
  })
