/**
 * A file system that answers nothing, as a network mount whose server is gone: a FUSE mount, in a namespace of the program, whose daemon
 * leaves all requests unread.
 */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { join } from "node:path"
import * as Cli from "./Cli.ts"
import { canRun } from "./Tools.ts"

/** Mounts over the directory `mnt`, at once or when the FIFO `late` has a writer, and becomes the program. */
const MOUNTING = `
import ctypes, os, select, signal, struct, sys
libc = ctypes.CDLL(None)
def hang():
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
    if libc.mount(b"hung", b"mnt", b"fuse", 0, options) != 0: os._exit(1)
    unique = struct.unpack_from("=Q", os.read(fuse, 65536), 8)[0]
    os.write(fuse, struct.pack("=IiQIIIIHHII36x", 80, 0, unique, 7, 31, 0, 0, 1, 1, 65536, 1))
    return fuse
ready, done = os.pipe()
if os.fork() == 0:
    libc.prctl(1, signal.SIGKILL)
    if os.path.exists("late"):
        os.write(done, b".")
        open("late").close()
    fuse = hang()
    os.write(done, b".")
    select.select([fuse], [], [])
    print("the mount hangs", flush=True)
    signal.pause()
os.close(done)
if os.read(ready, 1) != b".": sys.exit("cannot mount")
os.execv(sys.argv[1], sys.argv[1:])
`

/** Whether users may mount here, in a namespace of their own. */
export const isAvailable = canRun("unshare", "-rm", "sh", "-c", `cd / && exec python3 -c '${MOUNTING}' /bin/true`)

/** Starts the program in a directory with a mount at `mnt`, and tells when an operation hangs in it. */
export const start = Effect.fnUntraced(function* (args: ReadonlyArray<string>, cwd: string) {
  const program = yield* Cli.start(["python3", "-c", MOUNTING, process.execPath, Cli.PROGRAM, ...args], {
    node: "unshare",
    program: "-rm",
    cwd
  })
  return { ...program, hangs: program.printed(/the mount hangs/) }
})

/** Has `start` mount only when the result is run. */
export const late = (cwd: string) => {
  const fifo = join(cwd, "late")
  execFileSync("mkfifo", [fifo])
  return Effect.sync(() => closeSync(openSync(fifo, "w")))
}
