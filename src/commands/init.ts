import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Schema from "effect/Schema"
import { existsSync } from "node:fs"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { DEFAULT_FILE } from "../config/ConfigSources.ts"
import { defaults } from "../config/ServerConfig.ts"
import { jsonSchemaText } from "./schema.ts"

/** Why no configuration was written. */
export class InitError extends Schema.TaggedError<InitError>()("InitError", {
  code: Schema.Literals(["unreadable", "unwritable", "exists", "declined"]),
  /** The files that it is about. */
  paths: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const { code, paths, reason } = this
    if (code === "declined") return "nothing was written"
    if (code === "exists") return `${paths} already exists; --force overwrites it`
    return `cannot ${code === "unreadable" ? "read" : "write"} ${paths}: ${reason}`
  }
}

const SCHEMA_FILE = "server.schema.json"

const { host, hyper_parameters, logger, port, version } = defaults

/** The keys that are changed first. All but the log level have their defaults. */
const starter = {
  $schema: `./${SCHEMA_FILE}`,
  host,
  port,
  version,
  logger: {
    log_level: "INFO",
    enable_console_log: logger.enable_console_log,
    enable_file_log: logger.enable_file_log
  },
  hyper_parameters: {
    rate_limit_msgs_per_minute: hyper_parameters.rate_limit_msgs_per_minute,
    client_timeout_secs: hyper_parameters.client_timeout_secs,
    max_clients: hyper_parameters.max_clients
  }
}

interface File {
  readonly path: string
  readonly text: string
}

const failure = (code: InitError["code"], paths: string) => (cause: unknown) =>
  new InitError({ code, paths, reason: cause instanceof Error ? cause.message : String(cause) })

/** Whether writing the file would lose its content. */
const wouldLose = ({ path, text }: File) =>
  Effect.tryPromise({
    try: async () => existsSync(path) && (await readFile(path, "utf8")) !== text,
    catch: failure("unreadable", path)
  })

const confirmOverwriting = Effect.fnUntraced(function* (paths: string) {
  if (!process.stdin.isTTY) {
    return yield* new InitError({ code: "exists", paths, reason: "" })
  }
  const confirmed = yield* Prompt.run(Prompt.Confirm({ message: `${paths} already exists. Overwrite?` })).pipe(
    Effect.catchTag("QuitError", () => Effect.succeed(false))
  )
  if (!confirmed) return yield* new InitError({ code: "declined", paths, reason: "" })
})

/** Writes a starter configuration, and its schema beside it. */
export const init = Command.make(
  "init",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription(`File to write (default: ./${DEFAULT_FILE})`),
      Argument.withDefault(DEFAULT_FILE)
    ),
    force: Flag.Boolean("force").pipe(
      Flag.withAlias("f"),
      Flag.withDescription("Overwrite without asking"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ file, force }) {
    const files: ReadonlyArray<File> = [
      { path: join(dirname(file), SCHEMA_FILE), text: jsonSchemaText() },
      { path: file, text: `${JSON.stringify(starter, null, 2)}\n` }
    ]
    if (!force) {
      const atRisk = yield* Effect.filter(files, wouldLose)
      if (atRisk.length > 0) yield* confirmOverwriting(atRisk.map(({ path }) => path).join(" and "))
    }
    for (const { path, text } of files) {
      yield* Effect.tryPromise({
        try: async () => {
          await mkdir(dirname(path), { recursive: true })
          await writeFile(path, text)
        },
        catch: failure("unwritable", path)
      })
    }
    yield* Console.log(`Wrote ${file}, and ${files[0]!.path} for editors.`)
    yield* Console.log(`Start the server: summoner-server${file === DEFAULT_FILE ? "" : ` --config ${file}`}`)
  })
).pipe(
  Command.withDescription(
    "Writes a server.json to begin with, and beside it the schema that editors complete it with."
  ),
  Command.withShortDescription("Write a server.json to begin with"),
  Command.withExamples([
    { command: "summoner-server init", description: "Write ./server.json" },
    { command: "summoner-server init conf/prod.json", description: "Another file" }
  ])
)
