import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

/** A whole number from `minimum` to `maximum`. */
export const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const boolean = Arbitrary.schema(Schema.Boolean)

/** Arrays of any length from `minLength` to `maxLength`; those of `Arbitrary.array` have ten elements more than the least at most. */
export const array = <A>(
  element: Arbitrary.Arbitrary<A>,
  { maxLength, minLength = 0 }: { readonly minLength?: number; readonly maxLength: number }
): Arbitrary.Arbitrary<ReadonlyArray<A>> =>
  Arbitrary.flatMap(int(minLength, maxLength), (length) =>
    Arbitrary.array(element, { minLength: length, maxLength: length })
  )

/** The ranges in which Unicode characters differ to UTF-8 and to JSON. */
const RANGES: ReadonlyArray<readonly [number, number]> = [
  [0x20, 0x7f],
  [0x00, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x0d, 0x0d],
  [0x80, 0x7ff],
  [0x800, 0xd7ff],
  [0x2028, 0x2029],
  [0xe000, 0xffff],
  [0x10000, 0x10ffff]
]

const character = Arbitrary.map(Arbitrary.all([int(0, RANGES.length - 1), int(0, 0x10ffff)]), ([range, n]) => {
  const [from, to] = RANGES[range]!
  return String.fromCodePoint(from + (n % (to - from + 1)))
})

/** Any Unicode text without a line feed: what a line may hold. */
export const line = Arbitrary.map(array(character, { maxLength: 40 }), (characters) =>
  characters.join("").replaceAll("\n", "")
)
