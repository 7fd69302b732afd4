import { visit } from "jsonc-parser"

/** The keys that a JSON text has more than once, by their paths. The last one counts. */
export const duplicateKeys = (text: string): ReadonlyArray<string> => {
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  visit(text, {
    onObjectProperty: (name, _offset, _length, _line, _column, pathSupplier) => {
      const path = [...pathSupplier(), name].join(".")
      if (seen.has(path)) duplicates.add(path)
      seen.add(path)
    }
  })
  return [...duplicates]
}
