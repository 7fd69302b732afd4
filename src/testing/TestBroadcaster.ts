import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broadcaster } from "../room/Broadcaster.ts"

/** A line that somebody published. */
export interface Published {
  /** Its sender. */
  readonly from: string
  readonly content: string
  /** Whom it was for; `undefined`: everybody else. */
  readonly to: ReadonlyArray<string> | undefined
}

/** What was published, in order. */
export class TestBroadcaster extends Context.Service<
  TestBroadcaster,
  {
    /** All of it, so far. */
    readonly published: Effect.Effect<ReadonlyArray<Published>>
  }
>()("summoner-server/testing/TestBroadcaster") {}

/** The real broadcaster, which also records what is published. Requires what that one does. */
export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const broadcaster = yield* Broadcaster
    const published: Array<Published> = []
    const text = (bytes: Uint8Array, start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString()
    const recording = Broadcaster.of({
      ...broadcaster,
      publishUnsafe: (sender, bytes, start, end) => {
        const isRelayed = broadcaster.publishUnsafe(sender, bytes, start, end)
        if (isRelayed) published.push({ from: sender.address, content: text(bytes, start, end), to: undefined })
        return isRelayed
      },
      publishToUnsafe: (recipients, sender, bytes, start, end) => {
        const to = Array.from(recipients)
        const isRelayed = broadcaster.publishToUnsafe(to, sender, bytes, start, end)
        const addresses = to.map(({ address }) => address)
        if (isRelayed) published.push({ from: sender.address, content: text(bytes, start, end), to: addresses })
        return isRelayed
      }
    })
    return Context.make(Broadcaster, recording).pipe(
      Context.add(TestBroadcaster, { published: Effect.sync(() => [...published]) })
    )
  })
).pipe(Layer.provide(Layer.fresh(Broadcaster.layer)))
