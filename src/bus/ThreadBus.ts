/**
 * The room of the threads of one process, in shared memory (docs/scaling.md).
 *
 * The main thread allocates it with `share` and hands it to every relay thread in its `workerData`; a relay thread is a `layer` over it. A
 * thread that has ended is detached by whoever notices its end, before another takes its place.
 */
import type * as Layer from "effect/Layer"
import type { ServerConfig } from "../config/ServerConfig.ts"
import { Bus } from "../room/Bus.ts"

/** The shared memory of the threads of one room: can be cloned to other threads, and holds neither ports nor handles. */
export interface SharedRoom {
  /** Of each thread, by its index, the ring that it alone writes to. */
  readonly rings: ReadonlyArray<SharedArrayBuffer>
}

/**
 * Allocates the shared memory of a room. Pages that no backlog has needed yet take no memory.
 *
 * @param threads how many there are; their indexes are from 0 up
 * @param maxLineBytes `max_line_bytes`: the longest envelope, in bytes
 */
export const share = (threads: number, maxLineBytes: number): SharedRoom => ({
  rings: Array.from({ length: threads }, () => new SharedArrayBuffer(maxLineBytes))
})

/**
 * Takes a thread that has ended out of the room: the others no longer keep anything for it, nor wait for it. What it has published still
 * reaches them. Called by any thread, again without effect; not while the thread runs.
 */
export const detach = (_shared: SharedRoom, _index: number): void => {}

/**
 * The bus of one relay thread: in the room from when it joins to the end of the scope. A thread that takes the place of another gets what
 * is published after it has joined.
 *
 * @param index of this thread; at any time at most one thread has it
 */
export const layer = (_shared: SharedRoom, _index: number): Layer.Layer<Bus, never, ServerConfig> => Bus.layerNone
