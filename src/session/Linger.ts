import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { sleepAwake } from "../internal/time.ts"
import type { Connection } from "../room/Connection.ts"
import type { Outbox } from "../room/Outbox.ts"

/**
 * How long a client may take to close its side after we have closed ours, in milliseconds. One that was sending has the grace: closing the
 * socket under bytes that it still sends would cost it what it has not read, the last notice too.
 */
const LINGER_MILLIS = 250

/**
 * How long a client that has ended its side may take none of its remaining bytes, in milliseconds. The kernel reports progress only
 * every megabyte or so, which takes a slow reader this long.
 */
const READER_PATIENCE_MILLIS = 10_000

/** @param receivedBefore bytes that had come from it when we began to end the connection */
const untilClosed = Effect.fnUntraced(function* (connection: Connection, receivedBefore: number) {
  yield* Effect.raceFirst(connection.closed, sleepAwake(LINGER_MILLIS))
  if (connection.receivedBytes() > receivedBefore) yield* connection.closed
})

/** How long the server goes on sending to clients that leave (docs/operating.md). `graceMillis`: `shutdown_grace_ms`, read at each use. */
export const make = Effect.fnUntraced(function* (graceMillis: () => number) {
  const ending = yield* Latch.make(false)
  const graceAfterEnd = Effect.andThen(
    ending.await,
    Effect.suspend(() => Effect.sleep(graceMillis()))
  )

  const sendRest = Effect.fnUntraced(function* (connection: Connection, outbox: Outbox, isReader: boolean) {
    const patience = isReader ? Math.max(graceMillis(), READER_PATIENCE_MILLIS) : graceMillis()
    const received = connection.receivedBytes()
    let waiting = Infinity
    while (outbox.waitingBytes < waiting) {
      waiting = outbox.waitingBytes
      const hasEnded = yield* Effect.raceFirst(
        Effect.as(connection.ended, true),
        Effect.as(sleepAwake(patience), false)
      )
      if (hasEnded)
        return yield* Effect.timeoutOption(untilClosed(connection, received), Math.max(patience, LINGER_MILLIS))
    }
  })

  return {
    /** The server shuts down: from now on no client has more than the grace. */
    hurryUnsafe: () => void ending.openUnsafe(),
    /**
     * Waits until a leaving client has all its bytes, as long as it takes some.
     *
     * @param isReader whether it has only ended its own side, and may still read
     */
    wait: (connection: Connection, outbox: Outbox, isReader: boolean): Effect.Effect<unknown> =>
      Effect.raceFirst(sendRest(connection, outbox, isReader), graceAfterEnd)
  }
})
