import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import { readFileSync } from "node:fs"
import { jsonSchema, schema } from "../../src/commands/schema.ts"
import { defaults, examine, keys, Values } from "../../src/config/ServerConfig.ts"
import { configuration } from "../support/Configurations.ts"
import * as Commands from "../support/Commands.ts"
import { runs } from "../support/runs.ts"

const shipped = readFileSync(new URL("../../server.schema.json", import.meta.url), "utf8")

const published: JsonSchema.JsonSchema = JSON.parse(shipped)

/** The object in a schema that may also accept `null`. */
const objectOf = (schema: JsonSchema.JsonSchema): JsonSchema.JsonSchema =>
  schema["anyOf"] === undefined
    ? schema
    : (schema["anyOf"] as ReadonlyArray<JsonSchema.JsonSchema>).find(({ type }) => type === "object")!

const schemaAt = (path: string): JsonSchema.JsonSchema =>
  path
    .split(".")
    .reduce(
      (schema, name) => (objectOf(schema)["properties"] as Record<string, JsonSchema.JsonSchema>)[name]!,
      published
    )

const SAMPLES: ReadonlyArray<unknown> = [
  null,
  true,
  false,
  "",
  "x",
  "INFO",
  "rust",
  "rust_v1.2",
  "ip",
  "disconnect",
  -1,
  0,
  1,
  1.5,
  255,
  256,
  65_535,
  65_536,
  16_777_216,
  16_777_217,
  4_294_967_295,
  2 ** 53,
  [],
  ["a"],
  [1],
  {},
  { x: 1 }
]

const withKey = (path: string, value: unknown): unknown =>
  path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)

/** What the published schema makes of a document, as far as Effect reads JSON Schema. */
const accepts = (() => {
  const schema = SchemaRepresentation.fromJsonSchemaDocument(
    { dialect: "draft-2020-12", schema: published, definitions: {} },
    { patterns: "apply" }
  )
  const validate = Schema.decodeUnknownResult(Schema.make<Schema.Codec<unknown>>(schema.ast), {
    onExcessProperty: "error"
  })
  return (document: unknown) => Result.isSuccess(validate(document))
})()

describe("the command schema", () => {
  it.effect("prints server.schema.json as this package ships it", () =>
    Effect.gen(function* () {
      const { error, stdout } = yield* Commands.run(schema, [], { cwd: process.cwd() })
      assert.isUndefined(error)
      assert.strictEqual(stdout, shipped)
      assert.deepStrictEqual(jsonSchema(), published)
    })
  )

  it("is of draft 2020-12, and goes with the server.json of this package", () => {
    assert.strictEqual(published["$schema"], "https://json-schema.org/draft/2020-12/schema")
    assert.isString(published["title"])
    assert.notProperty(published, "$id")
    const config = JSON.parse(readFileSync(new URL("../../server.json", import.meta.url), "utf8"))
    assert.strictEqual(config.$schema, "./server.schema.json")
    assert.isTrue(accepts(config))
  })
})

describe("the published schema", () => {
  it("has every key, where editors look for its default and description", () => {
    for (const { default: value, description, isGroup, path } of keys()) {
      const schema = schemaAt(path)
      assert.strictEqual(schema["description"], description, path)
      if (path !== "$schema") assert.deepStrictEqual(schema["default"], isGroup ? {} : value, path)
    }
  })

  it("has no other keys, and lets a document have none", () => {
    const objects = ["", ...keys().flatMap(({ isGroup, path }) => (isGroup ? [path] : []))]
    let count = 0
    for (const path of objects) {
      const schema = objectOf(path === "" ? published : schemaAt(path))
      assert.strictEqual(schema["additionalProperties"], false, path)
      count += Object.keys(schema["properties"] as object).length
    }
    assert.strictEqual(count, keys().length)
  })

  it("accepts and refuses what the server does, for every key and many values", () => {
    let accepted = 0
    for (const { path } of keys()) {
      for (const value of SAMPLES) {
        if (path === "logger.log_keys" && value === "") continue // an older form
        const document = withKey(path, value)
        const problems = Result.match(examine(document).values, { onFailure: (found) => found, onSuccess: () => [] })
        const isWrong = problems.some(({ comparesKeys }) => !comparesKeys)
        assert.strictEqual(accepts(document), !isWrong, JSON.stringify(document))
        if (!isWrong) accepted++
      }
    }
    assert.isAbove(accepted, 200)
  })

  it("refuses unknown keys, wherever they are", () => {
    assert.isTrue(accepts(defaults))
    for (const path of ["prot", "logger.port", "hyper_parameters.slow_consumer.polcy", "hyper_parameters.host"]) {
      assert.isFalse(accepts(withKey(path, 1)), path)
    }
  })

  it.effect.prop(
    "accepts every configuration",
    { config: configuration },
    ({ config }) =>
      Effect.map(Schema.encodeEffect(Values)(config), (written) =>
        assert.isTrue(accepts(JSON.parse(JSON.stringify(written))))
      ),
    runs(40)
  )
})
