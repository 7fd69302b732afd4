/** What the keys of `server.json` are made of: values with what is expected of them in words, keys with defaults, and groups. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

export const text = Schema.String.annotate({ expected: "a string" })

export const path = Schema.NonEmptyString.annotate({ expected: "a file name" })

/**
 * What a text has to look like.
 *
 * @param pattern what editors are told of it, as a regular expression
 * @param sample what property tests make
 */
export const form = (accepts: (text: string) => boolean, pattern: string, sample: string) =>
  Schema.makeFilter(accepts, {
    toJsonSchema: () => ({ pattern }),
    arbitraryConstraint: { patterns: [{ source: sample, flags: "" }] }
  })

export const flag = Schema.Boolean.annotate({ expected: "true or false" })

export const whole = (minimum: number, maximum?: number) =>
  maximum === undefined
    ? Schema.Int.check(Schema.isGreaterThanOrEqualTo(minimum)).annotate({
        expected: `a whole number, ${minimum} or more`
      })
    : Schema.Int.check(Schema.isBetween({ minimum, maximum })).annotate({
        expected: `a whole number from ${minimum} to ${maximum}`
      })

export const oneOf = <const L extends ReadonlyArray<string>>(literals: L) =>
  Schema.Literals(literals).annotate({
    expected: `one of ${literals.map((literal) => JSON.stringify(literal)).join(", ")}`
  })

export const orNull = <T>(schema: Schema.Codec<T>, expected: string) =>
  Schema.NullOr(schema).annotate({ expected: `null or ${expected}` })

/** A key that the file may leave out. */
export const key = <T, E>(schema: Schema.Codec<T, E>, defaultValue: T, description: string) =>
  schema
    .annotate({ default: defaultValue, description })
    .pipe(Schema.withDecodingDefaultTypeKey<Schema.Codec<T, E>>(Effect.succeed(defaultValue)))

/**
 * A key that the file may leave out or set to `null`, which both mean the default.
 *
 * @param written the default, as one would write it in a file
 */
export const nullableKey = <T, E>(
  schema: Schema.Codec<T, E>,
  defaultValue: T,
  description: string,
  written: unknown = defaultValue
) =>
  Schema.toType(schema.annotate({ default: defaultValue, description })).pipe(
    Schema.encodeTo(Schema.optionalKey(Schema.NullOr(schema).annotate({ default: written as never, description })), {
      decode: SchemaGetter.transformOptional((value: Option.Option<T | null>) =>
        Option.some(Option.match(value, { onNone: () => defaultValue, onSome: (given) => given ?? defaultValue }))
      ),
      encode: SchemaGetter.passthroughSubtype<T | null, T>()
    })
  )

/** A group of keys, each with its own default. */
export const group = <T, E>(schema: Schema.Codec<T, E>, description: string) =>
  nullableKey(schema.annotate({ expected: "an object" }), Schema.decodeUnknownSync(schema)({}), description, {})
