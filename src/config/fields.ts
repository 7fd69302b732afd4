/** What the schema of `server.json` is made of: values, keys and groups. Each is annotated with `Notes`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type AST, isObjects, resolve } from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import { invisibleIn } from "../internal/escape.ts"

/** Keys by their paths, with the values that they must all have for the condition to hold. An empty one always holds. */
export type Condition = Readonly<Record<string, unknown>>

/** What a schema says of itself. Reports, `check`, reloads, redaction and the documentation have it from here. */
export interface Notes {
  /** What a value has to be, in words. */
  readonly expected?: string
  readonly default?: unknown
  readonly description?: string
  /** Whether a running server takes over a new value. Every key that is not ignored says so. */
  readonly isReloadable?: boolean
  /** Conditions each of which leaves the key, or the whole group, without effect. */
  readonly noEffectIf?: ReadonlyArray<Condition>
  /** What to write instead of a value that is not accepted, where that can be told. */
  readonly hint?: (value: unknown) => string | undefined
  /** Whether a value is a secret; `true` for all but `null`. */
  readonly secret?: true | ((value: unknown) => boolean)
}

export const notesOf = (ast: AST): Notes => resolve(ast) ?? {}

/** A text without invisible characters. */
const visible = (schema: Schema.Codec<string>) =>
  schema.check(
    Schema.makeFilter((text) => invisibleIn(text) === undefined, {
      toJsonSchema: () => ({}),
      arbitraryConstraint: { patterns: [{ source: "^[!-~]{1,40}$", flags: "" }] }
    })
  )

export const text = visible(Schema.String).annotate({ expected: "a string" })

/** A text that may hold escapes of a terminal. */
export const format = Schema.String.annotate({ expected: "a string" })

export const path = visible(Schema.NonEmptyString).annotate({ expected: "a file name" })

export const host = visible(Schema.NonEmptyString.check(Schema.isPattern(/^\S+$/))).annotate({
  expected: "a host name or an IP address"
})

/**
 * A text of a certain form.
 *
 * @param pattern regular expression of it, for editors
 * @param sample regular expression of what property tests make
 * @param accepts what decides, if not the pattern
 */
export const matching = (
  expected: string,
  pattern: string,
  sample: string,
  accepts: (text: string) => boolean = (text) => new RegExp(pattern).test(text)
) =>
  Schema.String.check(
    Schema.makeFilter((text) => invisibleIn(text) === undefined && accepts(text), {
      toJsonSchema: () => ({ pattern }),
      arbitraryConstraint: { patterns: [{ source: sample, flags: "" }] }
    })
  ).annotate({ expected })

export const listOf = (item: Schema.Codec<string>) =>
  Schema.Array(item).annotate({ expected: `a list: each ${notesOf(item.ast).expected}` })

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

export const port = whole(0, 65_535)

export const orNull = <T, E>(schema: Schema.Codec<T, E>) => {
  const { expected, secret } = notesOf(schema.ast)
  return Schema.NullOr(schema).annotate({ expected: `null or ${expected}`, ...(secret !== undefined && { secret }) })
}

/** A value that is held as `Redacted`, so that printing the configuration does not show it. */
export const secret = (schema: Schema.Codec<string>) =>
  Schema.RedactedFromValue(schema).annotate({ expected: notesOf(schema.ast).expected, secret: true })

const key =
  (isReloadable: boolean) =>
  <T, E>(schema: Schema.Codec<T, E>, defaultValue: T, description: string, ...noEffectIf: ReadonlyArray<Condition>) =>
    schema
      .annotate({ default: defaultValue, description, isReloadable, noEffectIf } satisfies Notes)
      .pipe(Schema.withDecodingDefaultTypeKey<Schema.Codec<T, E>>(Effect.succeed(defaultValue)))

/** A key that the file may leave out, of which a running server takes over a new value. */
export const live = key(true)

/** A key that the file may leave out, of which a new value takes a restart. */
export const fixed = key(false)

const nullable = <T, E>(schema: Schema.Codec<T, E>, defaultValue: T, written: unknown, notes: Notes) =>
  Schema.toType(schema.annotate({ ...notes, default: defaultValue })).pipe(
    Schema.encodeTo(Schema.optionalKey(Schema.NullOr(schema).annotate({ ...notes, default: written as never })), {
      decode: SchemaGetter.transformOptional((value: Option.Option<T | null>) =>
        Option.some(Option.match(value, { onNone: () => defaultValue, onSome: (given) => given ?? defaultValue }))
      ),
      encode: SchemaGetter.passthroughSubtype<T | null, T>()
    })
  )

/** A `fixed` key that the file may also set to `null`, which means the default. */
export const nullableFixed = <T, E>(schema: Schema.Codec<T, E>, defaultValue: T, description: string) =>
  nullable(schema, defaultValue, defaultValue, { description, isReloadable: false })

/**
 * What an object means that leaves out all of its keys. Taken from their notes: decoding `{}` would compile the schema whenever this module is
 * loaded, in each thread.
 */
export const defaultsOf = <T>({ ast }: Schema.Codec<T, unknown>): T =>
  Object.fromEntries(
    (isObjects(ast) ? ast.propertySignatures : [])
      .map(({ name, type }) => [name, notesOf(type).default])
      .filter(([, value]) => value !== undefined)
  )

/** A group of keys, which the file may leave out or set to `null`. */
export const group = <T, E>(
  schema: Schema.Codec<T, E>,
  description: string,
  ...noEffectIf: ReadonlyArray<Condition>
) => {
  return nullable(schema.annotate({ expected: "an object" }), defaultsOf(schema), {}, { description, noEffectIf })
}
