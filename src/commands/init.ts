import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import * as Schema from "effect/Schema"
import { mkdir } from "node:fs/promises"
import { dirname, join } from "node:path"
import { DEFAULT_FILE } from "../config/ConfigSources.ts"
import { showName } from "../config/redact.ts"
import { readFile, statIfPresent, writeWhole } from "../internal/files.ts"
import { booleanFlag, fileArgument } from "./fields.ts"
import { DEFAULT_PRESET, type PresetName, presetNames, presets, starterOf } from "./presets.ts"
import { jsonSchemaText } from "./schema.ts"

export class InitError extends Schema.TaggedError<InitError>()("InitError", {
  code: Schema.Literals(["unreadable", "unwritable", "irregular", "exists", "declined"]),
  /** The files that it is about. */
  paths: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    const { code, paths, reason } = this
    if (code === "declined") return "nothing was written"
    if (code === "irregular") return `${paths} is no regular file`
    if (code === "exists") return `${paths} already exists; --force overwrites it`
    return `cannot ${code === "unreadable" ? "read" : "write"} ${paths}: ${reason}`
  }
}

const SCHEMA_FILE = "server.schema.json"

interface File {
  readonly path: string
  readonly text: string
}

const failure = (code: InitError["code"], path: string) => (cause: unknown) =>
  new InitError({ code, paths: showName(path), reason: cause instanceof Error ? cause.message : String(cause) })

/** What is in the file so far. Fails for what is no file: a pipe may never end. */
const readBefore = Effect.fnUntraced(function* (file: File) {
  const { path } = file
  const before = yield* Effect.tryPromise({
    try: async () => {
      const found = await statIfPresent(path)
      return found === undefined ? undefined : found.isFile() ? await readFile(path) : null
    },
    catch: failure("unreadable", path)
  })
  if (before === null) return yield* new InitError({ code: "irregular", paths: showName(path), reason: "" })
  return { ...file, before }
})

const choosePreset: Effect.Effect<PresetName, InitError, Prompt.Environment> = Effect.suspend(() =>
  process.stdin.isTTY
    ? Prompt.run(
        Prompt.Select({
          message: "What is the server for?",
          choices: presetNames.map((value) => ({ title: `${value}: ${presets[value].title}`, value }))
        })
      ).pipe(Effect.mapError(() => new InitError({ code: "declined", paths: "", reason: "" })))
    : Effect.succeed(DEFAULT_PRESET)
)

const confirmOverwriting = Effect.fnUntraced(function* (paths: string) {
  if (!process.stdin.isTTY) {
    return yield* new InitError({ code: "exists", paths, reason: "" })
  }
  const confirmed = yield* Prompt.run(Prompt.Confirm({ message: `${paths} already exists. Overwrite?` })).pipe(
    Effect.catchTag("QuitError", () => Effect.succeed(false))
  )
  if (!confirmed) return yield* new InitError({ code: "declined", paths, reason: "" })
})

export const init = Command.make(
  "init",
  {
    file: fileArgument("file").pipe(
      Argument.withDescription(`File to write (default: ./${DEFAULT_FILE})`),
      Argument.withDefault(DEFAULT_FILE)
    ),
    force: booleanFlag("force", "Overwrite without asking").pipe(Flag.withAlias("f")),
    preset: Flag.Literals("preset", presetNames).pipe(
      Flag.withDescription(`What the server is for; without a terminal to ask on: ${DEFAULT_PRESET}`),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ file, force, preset }) {
    const chosen = Option.isSome(preset) ? preset.value : yield* choosePreset
    const [schema, server] = yield* Effect.all([
      readBefore({ path: join(dirname(file), SCHEMA_FILE), text: jsonSchemaText() }),
      readBefore({ path: file, text: `${JSON.stringify(starterOf(chosen, SCHEMA_FILE), null, 2)}\n` })
    ])
    const files = [schema, server]
    const atRisk = files.filter(({ before, text }) => before !== undefined && String(before) !== text)
    if (!force && atRisk.length > 0) yield* confirmOverwriting(atRisk.map(({ path }) => showName(path)).join(" and "))
    for (const { before, path, text } of files) {
      yield* Effect.tryPromise({
        try: async () => {
          await mkdir(dirname(path), { recursive: true })
          await writeWhole(path, text, before)
        },
        catch: failure("unwritable", path)
      })
    }
    yield* Console.log(`Wrote ${showName(file)}, and ${showName(schema.path)} for editors.`)
    yield* Console.log(`Start the server: summoner-server${file === DEFAULT_FILE ? "" : ` --config ${showName(file)}`}`)
  })
).pipe(
  Command.withDescription(
    "Writes a server.json to begin with, and beside it the schema that editors complete it with."
  ),
  Command.withShortDescription("Write a server.json to begin with"),
  Command.withExamples([
    { command: "summoner-server init", description: "Write ./server.json" },
    { command: "summoner-server init --preset public", description: "For a room on the Internet" },
    { command: "summoner-server init conf/prod.json", description: "Another file" }
  ])
)
