import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as LogFile from "../../src/logging/LogFile.ts"
import { runs } from "../support/runs.ts"

const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "summoner-log-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

const open = Effect.fnUntraced(function* (
  path: string,
  options?: { readonly maxBytes?: number; readonly backups?: number }
) {
  const outages: Array<string> = []
  const file = yield* LogFile.open({
    path,
    maxBytes: options?.maxBytes ?? 1_000_000,
    backups: options?.backups ?? 3,
    report: (message) => outages.push(message)
  })
  return { append: (text: string) => file.append(Buffer.from(text)), outages }
})

/** The virtual clock; `pause` waits until somebody sleeps by it, and is for how many milliseconds. */
const observedClock = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const pauses = yield* Queue.unbounded<number>()
  return {
    pause: Queue.take(pauses),
    clock: Object.assign(Object.create(clock) as Clock.Clock, {
      sleep: (duration: Duration.Duration) =>
        Effect.suspend(() => {
          Queue.offerUnsafe(pauses, Duration.toMillis(duration))
          return clock.sleep(duration)
        })
    })
  }
})

const read = (path: string) => (Fs.existsSync(path) ? Fs.readFileSync(path, "utf8") : undefined)

describe("the log file", () => {
  it("is named after the server, with every dot replaced", () => {
    assert.strictEqual(LogFile.pathOf("/var/log", "my.own.server"), "/var/log/my_own_server.log")
    assert.strictEqual(LogFile.pathOf("", "MyServer"), Path.join(process.cwd(), "MyServer.log"))
  })

  it.live("is created with its directory", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "a", "b", "s.log")
      const { append } = yield* open(path)
      assert.strictEqual(read(path), "")
      yield* append("one\n")
      assert.strictEqual(read(path), "one\n")
    })
  )

  it.live.skipIf(process.platform === "win32")("is for the server and its group only, as is its directory", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "a", "s.log")
      const { append } = yield* open(path, { maxBytes: 4 })
      yield* append("one\n")
      yield* append("two\n")
      for (const name of [Path.dirname(path), path, `${path}.1`]) {
        assert.strictEqual(Fs.statSync(name).mode & 0o007, 0, name)
      }
    })
  )

  it.live("is appended to after a restart", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      for (const line of ["one\n", "two\n"]) {
        yield* Effect.scoped(Effect.flatMap(open(path), ({ append }) => append(line)))
      }
      assert.strictEqual(read(path), "one\ntwo\n")
    })
  )

  it.live("does not join a line to the half one that a killed process left", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      Fs.writeFileSync(path, "one\ntw")
      const { append } = yield* open(path, { maxBytes: 11 })
      yield* append("two\n")
      assert.strictEqual(read(path), "one\ntw\ntwo\n")
      yield* append("three\n")
      assert.strictEqual(read(path), "three\n")
    })
  )

  it.live("is never rotated when size or count is 0", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      for (const options of [
        { maxBytes: 0, backups: 3 },
        { maxBytes: 10, backups: 0 }
      ]) {
        const path = Path.join(directory, `${options.maxBytes}.log`)
        const { append } = yield* open(path, options)
        yield* append("line\n".repeat(10))
        assert.strictEqual(read(path), "line\n".repeat(10))
        assert.isUndefined(read(`${path}.1`))
      }
    })
  )

  it.live("moves backups up by one, and the last one out", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      const { append } = yield* open(path, { maxBytes: 4, backups: 2 })
      for (const line of ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n", "g\n"]) yield* append(line)
      assert.deepStrictEqual([path, `${path}.1`, `${path}.2`, `${path}.3`].map(read), [
        "g\n",
        "e\nf\n",
        "c\nd\n",
        undefined
      ])
    })
  )

  it.live("fills each file as far as whole lines go, also when many come at once", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      const { append } = yield* open(path, { maxBytes: 6 })
      yield* append("a\nb\nlonger than the file\nc\nd\n")
      yield* append("e\nf\n")
      assert.deepStrictEqual([`${path}.3`, `${path}.2`, `${path}.1`, path].map(read), [
        "a\nb\n",
        "longer than the file\n",
        "c\nd\ne\n",
        "f\n"
      ])
    })
  )

  it.live("loses no backup when a rotation is repeated that stopped half-way", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      Fs.writeFileSync(path, "current\n")
      Fs.writeFileSync(`${path}.2`, "older\n")
      Fs.writeFileSync(`${path}.3`, "oldest\n")
      const { append } = yield* open(path, { maxBytes: 8, backups: 3 })
      yield* append("newest\n")
      assert.deepStrictEqual([path, `${path}.1`, `${path}.2`, `${path}.3`].map(read), [
        "newest\n",
        "current\n",
        "older\n",
        "oldest\n"
      ])
    })
  )

  // A handful of lines fill the smallest files, and a few dozen the most and largest: more would only be more system calls.
  const upTo = <S extends Schema.Top>(count: number, item: S) => Schema.Array(item).check(Schema.isMaxLength(count))
  const Line = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
  it.effect.prop(
    "and its backups hold the end of what was written, cut only between lines, whatever is written",
    {
      runs: upTo(3, upTo(3, upTo(6, Line))),
      maxBytes: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 120 })),
      backups: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    },
    ({ backups, maxBytes, runs }) =>
      Effect.gen(function* () {
        const path = Path.join(yield* temporaryDirectory, "s.log")
        const all: Array<string> = []
        for (const batches of runs) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { append } = yield* open(path, { maxBytes, backups })
              for (const lengths of batches) {
                const lines = lengths.map((length, index) => `${all.length + index}${"é".repeat(length)}\n`)
                all.push(...lines)
                yield* append(lines.join(""))
              }
            })
          )
        }
        const files: Array<string> = []
        for (let number = backups + 1; number > 0; number--) files.push(read(`${path}.${number}`) ?? "")
        files.push(read(path) ?? "")
        assert.strictEqual(files[0], "", "no more backups than configured")
        for (const file of files) {
          assert.isTrue(file === "" || file.endsWith("\n"), "ends with a whole line")
          const lines = file.split("\n").length - 1
          assert.isTrue(Buffer.byteLength(file) <= maxBytes || lines === 1, "no larger than configured")
        }
        const kept = files.join("")
        const written = all.join("")
        assert.isTrue(written.endsWith(kept), "nothing lost, doubled or out of order")
        assert.isTrue(kept === written || kept.split("\n").length - 1 >= backups + 1, "nothing dropped before its time")
      }).pipe(Effect.scoped),
    runs(20)
  )
})

describe("a log file that cannot be written", () => {
  it.live("is a start-up error that names the path and the reason", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      Fs.writeFileSync(Path.join(directory, "file"), "")
      const path = Path.join(directory, "file", "s.log")
      const exit = yield* Effect.exit(Effect.scoped(open(path)))
      assert.isTrue(Exit.isFailure(exit))
      const error = yield* Effect.flip(Effect.scoped(open(path)))
      assert.strictEqual(error._tag, "LogFileError")
      assert.strictEqual(error.path, path)
      assert.include(error.message, path)
      assert.match(error.message, /ENOTDIR|EEXIST/)
    })
  )

  it.live.skipIf(!Fs.existsSync("/proc"))("is a start-up error, and no hang, where no directory can be created", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(open("/proc/no/such/s.log")))
      assert.match(error.message, /^Cannot write the log file \/proc\/no\/such\/s\.log: ENOENT/)
    })
  )

  it.live("is written again, in its place, when it was deleted, moved away or replaced", () =>
    Effect.gen(function* () {
      const directory = Path.join(yield* temporaryDirectory, "logs")
      const path = Path.join(directory, "s.log")
      const { append, outages } = yield* open(path)
      yield* append("one\n")
      Fs.rmSync(directory, { recursive: true })
      yield* append("two\n")
      assert.strictEqual(read(path), "two\n")
      Fs.renameSync(path, `${path}.old`)
      yield* append("three\n")
      assert.deepStrictEqual([read(path), read(`${path}.old`)], ["three\n", "two\n"])
      Fs.renameSync(path, `${path}.old`)
      Fs.writeFileSync(path, "")
      yield* append("four\n")
      assert.deepStrictEqual([read(path), read(`${path}.old`)], ["four\n", "three\n"])
      assert.deepStrictEqual(outages, [])
    })
  )

  it.effect("is tried again every second, reported once, and loses nothing", () =>
    Effect.gen(function* () {
      const directory = Path.join(yield* temporaryDirectory, "logs")
      const path = Path.join(directory, "s.log")
      const { append, outages } = yield* open(path)
      yield* append("one\n")
      Fs.rmSync(directory, { recursive: true })
      Fs.writeFileSync(directory, "in the way")
      const { pause, clock } = yield* observedClock
      const fiber = yield* Effect.forkChild(Effect.provideService(append("two\nthree\n"), Clock.Clock, clock))
      for (let attempt = 0; attempt < 3; attempt++) {
        assert.strictEqual(yield* pause, 1000)
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(yield* pause, 1000)
      assert.lengthOf(outages, 1)
      assert.include(outages[0]!, path)
      Fs.rmSync(directory)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(read(path), "two\nthree\n")
    })
  )

  it.effect.skipIf(!Fs.existsSync("/dev/full"))("is reported and tried again on a full disk too", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      Fs.symlinkSync("/dev/full", path)
      const { append, outages } = yield* open(path)
      const { pause, clock } = yield* observedClock
      const fiber = yield* Effect.forkChild(Effect.provideService(append("one\n"), Clock.Clock, clock))
      yield* pause
      assert.lengthOf(outages, 1)
      assert.include(outages[0], "ENOSPC")
      Fs.rmSync(path)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(read(path), "one\n")
    })
  )
})

describe.skipIf(process.platform === "win32")("a log file that is not what it seems", () => {
  it.live("is rotated where a symbolic link leads, and the link stays", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [link, target] = [Path.join(directory, "s.log"), Path.join(directory, "disk", "real.log")]
      Fs.mkdirSync(Path.dirname(target))
      Fs.symlinkSync("disk/real.log", link)
      const { append } = yield* open(link, { maxBytes: 4 })
      for (const line of ["one\n", "two\n", "six\n"]) yield* append(line)
      assert.isTrue(Fs.lstatSync(link).isSymbolicLink())
      assert.deepStrictEqual([target, `${target}.1`, `${target}.2`, `${link}.1`].map(read), [
        "six\n",
        "two\n",
        "one\n",
        undefined
      ])
    })
  )

  it.live("leaves its other name the rotated lines, as a hard link", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [path, other] = [Path.join(directory, "s.log"), Path.join(directory, "other")]
      const { append } = yield* open(path, { maxBytes: 4 })
      Fs.linkSync(path, other)
      for (const line of ["one\n", "two\n"]) yield* append(line)
      assert.deepStrictEqual([path, `${path}.1`, other].map(read), ["two\n", "one\n", "one\n"])
    })
  )

  /** A directory in which nothing can be created or renamed, until `writable` is called; for root, too. */
  const unwritable = Effect.fnUntraced(function* (directory: string) {
    const isRoot = process.getuid!() === 0
    const writable = () => {
      if (isRoot) process.seteuid!(0)
      Fs.chmodSync(directory, 0o755)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        Fs.chmodSync(directory, 0o555)
        if (isRoot) process.seteuid!(65_534)
      }),
      () => Effect.sync(writable)
    )
    return { writable }
  })

  it.live("grows where its directory takes no other name, says so once, and is rotated when it does again", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const path = Path.join(directory, "s.log")
      const { append, outages } = yield* open(path, { maxBytes: 8 })
      yield* append("one\n")
      // The file, too, is of another owner now: what is open stays so.
      const { writable } = yield* unwritable(directory)
      for (const line of ["two\n", "three\n", "four\n"]) yield* append(line)
      writable()
      assert.strictEqual(read(path), "one\ntwo\nthree\nfour\n")
      assert.lengthOf(outages, 1)
      assert.match(outages[0]!, /^Cannot rename the log file \S+s\.log, which grows: Error: EACCES: /)
      yield* append("five\n")
      assert.deepStrictEqual([path, `${path}.1`].map(read), ["five\n", "one\ntwo\nthree\nfour\n"])
      yield* unwritable(directory)
      yield* append("six\nseven\n")
      assert.lengthOf(outages, 2)
    })
  )

  it.live("begins at its start again when another program has truncated it", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      const { append } = yield* open(path, { maxBytes: 8 })
      yield* append("one\ntwo\n")
      Fs.truncateSync(path)
      yield* append("six\n")
      assert.deepStrictEqual([path, `${path}.1`].map(read), ["six\n", undefined])
    })
  )

  it.live("is a pipe, whose reader gets all lines, however few it takes at once", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      execFileSync("mkfifo", [path])
      const { append, outages } = yield* open(path, { maxBytes: 1000 })
      const lines = Array.from({ length: 2000 }, (_, i) => `${i} ${"x".repeat(200)}\n`).join("")
      const { pause, clock } = yield* observedClock
      const appended = yield* Effect.forkChild(Effect.provideService(append(lines), Clock.Clock, clock))
      assert.strictEqual(yield* pause, 10, "the pipe is full")
      let received = ""
      const reader = Fs.createReadStream(path, { encoding: "utf8" })
      yield* Effect.callback<void>((resume) => {
        reader.on("data", (text) => {
          received += text
          if (received.length >= lines.length) resume(Effect.void)
        })
      })
      yield* Fiber.join(appended)
      reader.destroy()
      assert.strictEqual(received, lines)
      assert.deepStrictEqual(outages, [])
    })
  )

  it.effect("is a pipe that nothing reads, which is reported, and keeps no thread", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* temporaryDirectory, "s.log")
      execFileSync("mkfifo", [path])
      const { append, outages } = yield* open(path)
      const { pause, clock } = yield* observedClock
      yield* Effect.forkChild(Effect.provideService(append("x\n".repeat(100_000)), Clock.Clock, clock))
      for (;;) {
        const millis = yield* pause
        if (millis === 1000) break
        yield* TestClock.adjust(millis)
      }
      assert.deepStrictEqual(outages, [
        `Cannot write the log file ${path}: nothing reads this pipe (EAGAIN); trying again every second`
      ])
      assert.notInclude(process.getActiveResourcesInfo(), "FSReqPromise")
    })
  )
})
