import * as Console from "effect/Console"
import * as Command from "effect/cli/Command"
import type * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import * as ServerConfig from "../config/ServerConfig.ts"

/** The JSON Schema (draft 2020-12) of `server.json`, for editors. It knows neither older forms nor what compares several keys. */
export const jsonSchema = (): JsonSchema.JsonSchema => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Configuration of summoner-server",
  ...Schema.toJsonSchemaDocument(ServerConfig.Values, { onExcessProperty: "error" }).schema
})

/** The text of `server.schema.json`, in the layout that the formatter of this repository keeps. */
export const jsonSchemaText = (): string =>
  `${JSON.stringify(jsonSchema(), null, 2).replace(
    /\[\n\s+([^[\]{}]*?)\n\s+\]/g,
    (_, items: string) => `[${items.replaceAll(/\n\s+/g, " ")}]`
  )}\n`

export const schema = Command.make("schema", {}, () => Console.log(jsonSchemaText().trimEnd())).pipe(
  Command.withDescription("Prints the JSON Schema of server.json, with which editors complete and check it."),
  Command.withShortDescription("Print the JSON Schema of server.json"),
  Command.withExamples([{ command: "summoner-server schema > server.schema.json", description: "Bring it up to date" }])
)
