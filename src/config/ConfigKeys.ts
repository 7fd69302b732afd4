/** The keys of `server.json`, with what their schemas say of them, and what may be shown of their values. */
import * as SchemaAST from "effect/SchemaAST"
import { Values } from "./ConfigSchema.ts"
import { type Condition, notesOf } from "./fields.ts"
import { HIDDEN, withoutCredentials } from "./redact.ts"

/** A key of `server.json`, or a group of keys. */
export interface Key {
  /** `hyper_parameters.slow_consumer.policy` */
  readonly path: string
  readonly isGroup: boolean
  /** Whether its values are strings, apart from `null`. */
  readonly isText: boolean
  readonly expected: string
  /** `undefined` for a key that is ignored. */
  readonly default: unknown
  readonly description: string
  /** What each item of a list has to be. */
  readonly itemExpected: string | undefined
  /** What to write instead of an item that is not accepted. */
  readonly itemHint: ((item: unknown) => string | undefined) | undefined
  /** Whether its values may be secret, so that a report shows nothing of an invalid one. */
  readonly isSecret: boolean
  /** Whether a valid value must not be shown. */
  readonly conceals: (value: unknown) => boolean
  /** Whether a running server takes over a new value. `undefined` for groups and for a key that is ignored. */
  readonly isReloadable: boolean | undefined
  /** Conditions each of which leaves it without effect, those of its groups first. */
  readonly noEffectIf: ReadonlyArray<Readonly<Record<string, unknown>>>
}

const itemOf = (ast: SchemaAST.AST): SchemaAST.AST | undefined =>
  SchemaAST.isUnion(ast)
    ? ast.types.map(itemOf).find((item) => item !== undefined)
    : SchemaAST.isArrays(ast)
      ? ast.rest[0]
      : undefined

const isText = (ast: SchemaAST.AST): boolean =>
  SchemaAST.isUnion(ast)
    ? ast.types.every((type) => SchemaAST.isNull(type) || isText(type))
    : SchemaAST.isString(ast) ||
      // `Redacted`, of a text.
      (SchemaAST.isDeclaration(ast) && ast.typeParameters.some(isText)) ||
      SchemaAST.isTemplateLiteral(ast) ||
      (SchemaAST.isLiteral(ast) && typeof ast.literal === "string")

const keysOf = (ast: SchemaAST.AST, prefix: string, ofGroup: ReadonlyArray<Condition>): ReadonlyArray<Key> =>
  SchemaAST.isObjects(ast)
    ? ast.propertySignatures.flatMap(({ name, type }) => {
        const path = prefix + String(name)
        const { description = "", expected = "", isReloadable, noEffectIf = [], secret, ...notes } = notesOf(type)
        const item = itemOf(type)
        const conditions = [...ofGroup, ...noEffectIf]
        return [
          {
            path,
            isGroup: SchemaAST.isObjects(type),
            isText: isText(type),
            expected,
            default: notes.default,
            description,
            itemExpected: item && notesOf(item).expected,
            itemHint: item && notesOf(item).hint,
            isReloadable,
            noEffectIf: conditions.filter((condition) => !Object.hasOwn(condition, path)),
            isSecret: secret !== undefined,
            conceals: typeof secret === "function" ? secret : (value: unknown) => secret === true && value !== null
          },
          ...keysOf(type, `${path}.`, conditions)
        ]
      })
    : []

let byPath: ReadonlyMap<string, Key> | undefined
let settable: ReadonlyArray<Key> | undefined

/** Every key and group by its path, in the order of the schema. */
export const keysByPath = (): ReadonlyMap<string, Key> =>
  (byPath ??= new Map(keysOf(Values.ast, "", []).map((key) => [key.path, key])))

/** Every key and group, in the order of the schema. */
export const keys = (): ReadonlyArray<Key> => [...keysByPath().values()]

/** The keys that have an effect: neither groups nor what is ignored. */
export const settableKeys = (): ReadonlyArray<Key> =>
  (settable ??= keys().filter(({ isReloadable }) => isReloadable !== undefined))

/** What may be shown of a valid value: nothing of a secret, no password in a URL. */
export const shown = ({ conceals }: Pick<Key, "conceals">, value: unknown): unknown => {
  if (conceals(value)) return HIDDEN
  if (Array.isArray(value)) return value.map((item) => shown({ conceals }, item))
  return typeof value === "string" ? withoutCredentials(value) : value
}

/** A configuration with another value for each key. */
const mapKeys = (values: Values, change: (key: Key, value: unknown) => unknown): Values => {
  const mapGroup = (group: object, prefix: string): object =>
    Object.fromEntries(
      Object.entries(group).map(([name, value]) => {
        const key = keysByPath().get(prefix + name)!
        return [name, key.isGroup ? mapGroup(value, `${prefix}${name}.`) : change(key, value)]
      })
    )
  return mapGroup(values, "") as Values
}

/** A configuration as it may be shown. */
export const withoutSecrets = (values: Values): Values => mapKeys(values, shown)

/** A configuration whose groups are its own. */
export const copy = (values: Values): Values => mapKeys(values, (_, value) => value)
