/** The log file: rotated by size, and opened again when it is deleted, renamed or replaced. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/** The log file, or its directory, cannot be created or written. */
export class LogFileError extends Schema.TaggedError<LogFileError>()("LogFileError", {
  /** Of the operating system: `EACCES`. */
  code: Schema.String,
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `Cannot write the log file ${this.path}: ${this.reason}`
  }
}

/** A log file that is open. */
export interface LogFile {
  /** Appends whole lines, and tries again every second while that fails. No line is written twice or in two pieces. */
  readonly append: (lines: Buffer) => Effect.Effect<void>
}

/**
 * The path of a server's log.
 *
 * @param directory `log_file_path`; the working directory when empty
 * @param name the server's name, in which every `.` becomes `_`
 */
export const pathOf = (directory: string, name: string): string =>
  Path.resolve(directory, `${name.replaceAll(".", "_")}.log`)

/**
 * Opens a log file, with its directory created when missing, and closes it with the scope.
 *
 * A file that would exceed its size is renamed to `.1`, `.1` to `.2` and so on, always between two lines; a longer line
 * has a file of its own. As in the original, a size or a count of 0 means that the file is never rotated.
 *
 * @param options.path the file
 * @param options.maxBytes `max_file_size`
 * @param options.backups `backup_count`
 * @param options.onOutage told once whenever appending begins to fail
 * @returns fails with `LogFileError` when the file cannot be opened
 */
export const open: (options: {
  readonly path: string
  readonly maxBytes: number
  readonly backups: number
  readonly onOutage: (error: LogFileError) => void
}) => Effect.Effect<LogFile, LogFileError, Scope.Scope> = Effect.fnUntraced(function* (options) {
  const { path } = options
  const limit = options.backups > 0 && options.maxBytes > 0 ? options.maxBytes : Infinity
  const attempt = (run: (signal: AbortSignal) => Promise<void>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => {
        const { code = "unknown", message } = cause as NodeJS.ErrnoException
        return new LogFileError({ code, path, reason: message })
      }
    })

  const file = new AppendedFile(path)
  yield* Effect.addFinalizer(() =>
    attempt(() => file.close()).pipe(Effect.ignore, Effect.interruptible, Effect.timeoutOption("1 second"))
  )
  yield* attempt(async () => {
    await file.size()
  })

  const append = (lines: Buffer): Effect.Effect<void> => {
    let rest = lines
    let failing = false
    return attempt(async (signal) => {
      while (rest.length > 0 && !signal.aborted) {
        const size = await file.size()
        const length = fitting(rest, limit - size, size === 0)
        if (length === 0) {
          await file.close()
          await rotate(path, options.backups)
        } else {
          await file.write(rest.subarray(0, length), size)
          rest = rest.subarray(length)
        }
      }
    }).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (!failing) options.onOutage(error)
          failing = true
        })
      ),
      Effect.retry(Schedule.spaced("1 second")),
      Effect.orDie
    )
  }
  return { append }
})

/** How many bytes of `lines` fit into `room` bytes: whole lines, and at least one if the file is empty. */
const fitting = (lines: Buffer, room: number, empty: boolean): number => {
  if (lines.length <= room) return lines.length
  const whole = room > 0 ? lines.lastIndexOf(NEWLINE, room - 1) + 1 : 0
  return whole > 0 || !empty ? whole : lines.indexOf(NEWLINE) + 1
}

const NEWLINE = 0x0a

/** Renames the file and its backups to the next number. The last one is overwritten unless a number is free. */
const rotate = async (path: string, backups: number): Promise<void> => {
  const names = [path]
  // Up to the first gap, so that repeating an interrupted rotation does not push out another backup.
  while (names.length <= backups && (await exists(names[names.length - 1]!))) names.push(`${path}.${names.length}`)
  for (let number = names.length - 1; number > 0; number--) await Fs.rename(names[number - 1]!, names[number]!)
}

const exists = async (path: string): Promise<boolean> => (await statIfPresent(path)) !== undefined

const statIfPresent = (path: string) =>
  Fs.stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined
    throw error
  })

// Messages are private: readable for the server and its group, such as a log shipper, only.
const FILE_MODE = 0o640
const DIRECTORY_MODE = 0o750

const openCreating = (path: string): Promise<Fs.FileHandle> =>
  Fs.open(path, "a+", FILE_MODE).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    await createDirectory(Path.dirname(path))
    return Fs.open(path, "a+", FILE_MODE)
  })

// Node's recursive mkdir never ends where the parent exists but takes no directory, as in /proc.
const createDirectory = async (path: string): Promise<void> => {
  if (await exists(path)) return
  await createDirectory(Path.dirname(path))
  await Fs.mkdir(path, DIRECTORY_MODE).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error
  })
}

/** A path that is appended to, opened again when the file at it was deleted, renamed or replaced. */
class AppendedFile {
  readonly #path: string
  #handle: Fs.FileHandle | undefined
  #inode = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Opens the file at the path unless it is open already, and returns its size in bytes. */
  async size(): Promise<number> {
    const current = await statIfPresent(this.#path)
    if (this.#handle !== undefined && current?.ino === this.#inode) return current.size
    await this.close()
    const handle = await openCreating(this.#path)
    this.#handle = handle
    const { ino, size } = await handle.stat()
    this.#inode = ino
    if (size === 0) return 0
    const last = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
    if (last.bytesRead === 0 || last.buffer[0] === NEWLINE) return size
    // A process that was killed while writing leaves half a line.
    await handle.appendFile("\n")
    return size + 1
  }

  /** Appends all of the bytes; on failure truncates the file to `size` again. */
  async write(bytes: Buffer, size: number): Promise<void> {
    const handle = this.#handle!
    let written = 0
    try {
      while (written < bytes.length) written += (await handle.write(bytes, written)).bytesWritten
    } catch (error) {
      if (written > 0) await handle.truncate(size).catch(() => {})
      throw error
    }
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}
