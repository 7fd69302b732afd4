/** An object returned by `JSON.parse`. */
export type JsonObject = { [name: string]: unknown }

/** Whether a value is an object, neither an array nor a scalar. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)
