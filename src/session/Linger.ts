import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type { Connection } from "../room/Connection.ts"
import type { Outbox } from "../room/Outbox.ts"

/**
 * How long a client may take to close its side after we have closed ours, in milliseconds. Dropping the connection under
 * bytes it is still sending could cost it our last words.
 */
const LINGER_MILLIS = 250

/**
 * How long a client that has ended its side may take nothing of what is still on its way to it, in milliseconds. The kernel
 * says that it has taken something only every megabyte or so, so this is what a slow reader needs.
 */
const READER_PATIENCE_MILLIS = 10_000

/**
 * How long the server goes on sending to clients that leave (docs/operations.md).
 *
 * @param graceMillis `shutdown_grace_ms`, asked whenever it matters
 */
export const make = Effect.fnUntraced(function* (graceMillis: () => number) {
  /** Open from the end of the server on. */
  const ending = yield* Latch.make(false)
  const graceAfterEnd = Effect.andThen(
    ending.await,
    Effect.suspend(() => Effect.sleep(graceMillis()))
  )

  const sendRest = Effect.fnUntraced(function* (connection: Connection, outbox: Outbox, isReader: boolean) {
    const patience = isReader ? Math.max(graceMillis(), READER_PATIENCE_MILLIS) : graceMillis()
    let waiting = Infinity
    while (outbox.waitingBytes < waiting) {
      waiting = outbox.waitingBytes
      const ended = yield* Effect.timeoutOption(connection.ended, patience)
      if (Option.isSome(ended)) return yield* Effect.timeoutOption(connection.closed, LINGER_MILLIS)
    }
  })

  return {
    /** The server ends: from now on nobody has more than the grace. */
    hurryUnsafe: () => void ending.openUnsafe(),
    /**
     * Waits until a leaving client has everything, for as long as it keeps taking some of it.
     *
     * @param isReader it has only ended its own side, and may still read
     */
    wait: (connection: Connection, outbox: Outbox, isReader: boolean): Effect.Effect<unknown> =>
      Effect.raceFirst(sendRest(connection, outbox, isReader), graceAfterEnd)
  }
})
