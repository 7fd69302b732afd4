/** The log file: rotated by size, and opened again when it is deleted, renamed or replaced. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { constants, type Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { statIfPresent } from "../internal/files.ts"

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

export interface LogFile {
  /** Appends whole lines, and tries again every second while that fails. No line is written twice, or to two files. */
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
 * has a file of its own. As in the original, a size or a count of 0 means that the file is never rotated. A file that cannot be
 * renamed grows, which is tried again with each append.
 *
 * @param options.report told once whenever appending, or renaming, begins to fail
 * @returns fails with `LogFileError` when the file cannot be opened
 */
export const open: (options: {
  readonly path: string
  readonly maxBytes: number
  readonly backups: number
  readonly report: (message: string) => void
}) => Effect.Effect<LogFile, LogFileError, Scope.Scope> = Effect.fnUntraced(function* (options) {
  const { path } = options
  const limit = options.backups > 0 && options.maxBytes > 0 ? options.maxBytes : Infinity
  const attempt = (run: (signal: AbortSignal) => Promise<void>) =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => {
        const { code = "unknown", message } = cause as NodeJS.ErrnoException
        return new LogFileError({ code, path, reason: code === FULL ? `nothing reads this pipe (${FULL})` : message })
      }
    })

  const file = new AppendedFile(path)
  yield* Effect.addFinalizer(() =>
    attempt(() => file.close()).pipe(Effect.ignore, Effect.interruptible, Effect.timeoutOption("1 second"))
  )
  yield* attempt(async () => {
    await file.size()
  })

  let isGrowing = false
  const append = (lines: Buffer): Effect.Effect<void> => {
    let rest = lines
    let failing = false
    let room = limit
    return attempt(async (signal) => {
      while (rest.length > 0 && !signal.aborted) {
        const size = await file.size()
        const length = fitting(rest, room - size, size === 0)
        if (length === 0) {
          try {
            // The file that a link leads to, not the link.
            await rotate(await Fs.realpath(path), options.backups)
            isGrowing = false
          } catch (cause) {
            if (!isGrowing) options.report(`Cannot rename the log file ${path}, which grows: ${String(cause)}`)
            isGrowing = true
            room = Infinity
          }
        } else {
          const written = await file.write(rest.subarray(0, length), size)
          rest = rest.subarray(written)
        }
      }
    }).pipe(
      Effect.retry({ while: ({ code }) => code === FULL, schedule: Schedule.spaced("10 millis"), times: 100 }),
      Effect.tapError((error) =>
        Effect.sync(() => {
          if (!failing) options.report(`${error.message}; trying again every second`)
          failing = true
        })
      ),
      Effect.retry(Schedule.spaced("1 second")),
      Effect.orDie
    )
  }
  return { append }
})

/** The code of a pipe or terminal that takes no more at present. */
const FULL = "EAGAIN"

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

// Messages are private: readable for the server and its group, such as a log shipper, only.
const FILE_MODE = 0o640
const DIRECTORY_MODE = 0o750

// A pipe that is full fails, where it would block a thread of libuv and with it the end of the process.
const FLAGS = constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | (constants.O_NONBLOCK ?? 0)

const openCreating = (path: string): Promise<Fs.FileHandle> =>
  Fs.open(path, FLAGS, FILE_MODE).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error
    await createDirectory(Path.dirname(path))
    return Fs.open(path, FLAGS, FILE_MODE)
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
  #isRegular = true
  #identity = ""

  constructor(path: string) {
    this.#path = path
  }

  /** Opens the file at the path unless it is open already, and returns its size in bytes; 0 for a pipe or a device. */
  async size(): Promise<number> {
    const current = await statIfPresent(this.#path)
    if (this.#handle !== undefined && current !== undefined && identityOf(current) === this.#identity) {
      return this.#isRegular ? current.size : 0
    }
    await this.close()
    const handle = await openCreating(this.#path)
    this.#handle = handle
    const stats = await handle.stat()
    this.#identity = identityOf(stats)
    this.#isRegular = stats.isFile()
    if (!this.#isRegular || stats.size === 0) return 0
    const last = await handle.read(Buffer.alloc(1), 0, 1, stats.size - 1)
    if (last.bytesRead === 0 || last.buffer[0] === NEWLINE) return stats.size
    // A process that was killed while writing leaves half a line.
    await handle.appendFile("\n")
    return stats.size + 1
  }

  /** Appends the bytes, or as many as a pipe takes now. Returns how many were appended. A file for which it fails is truncated to `size` again. */
  async write(bytes: Buffer, size: number): Promise<number> {
    const handle = this.#handle!
    let written = 0
    try {
      while (written < bytes.length) written += (await handle.write(bytes, written)).bytesWritten
    } catch (error) {
      if (written === 0) throw error
      if (!this.#isRegular) return written
      await handle.truncate(size).catch(() => {})
      throw error
    }
    return written
  }

  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }
}

const identityOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`
