/** The configuration that a server runs with, apart from the schema that checks one: relay threads get theirs checked, and load no schema. */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Values } from "./ConfigSchema.ts"

export type { Values } from "./ConfigSchema.ts"

/** The levels of `logger.log_level`, in Python's names, the least severe first. */
export const levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] as const

/** One of `levels`. */
export type Level = (typeof levels)[number]

/** The defaults of the `logger` group that are formats. */
export const defaultFormats = {
  console_log_format: "\u001b[92m%(asctime)s\u001b[0m - \u001b[94m%(name)s\u001b[0m - %(levelname)s - %(message)s",
  log_format: "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
  date_format: "%Y-%m-%d %H:%M:%S.%3f"
}

/**
 * The profile that a `version` stands for (README.md, "Profiles").
 *
 * @returns `"rust"` with every protection, `"python"` for the plain relay
 */
export const profileOf = (version: Values["version"]): "rust" | "python" => (version === "python" ? "python" : "rust")

/** The configuration of this server (docs/configuration.md). */
export class ServerConfig extends Context.Service<ServerConfig, Values>()("summoner-server/ServerConfig") {
  /** A configuration that is already complete. */
  static readonly layer = (values: Values) => Layer.succeed(ServerConfig, values)
}
