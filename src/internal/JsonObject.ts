/** What `JSON.parse` makes of an object. */
export type JsonObject = { [name: string]: unknown }

/** Whether a value is one, as opposed to a list or a scalar. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
