import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broadcaster } from "../room/Broadcaster.ts"

/** A published line. */
export interface Published {
  /** Address of the sender. */
  readonly from: string
  readonly content: string
  /** Addresses of the recipients; `undefined`: all other clients. */
  readonly to: ReadonlyArray<string> | undefined
}

/** The published lines, in order. */
export class TestBroadcaster extends Context.Service<
  TestBroadcaster,
  {
    /** All lines so far. */
    readonly published: Effect.Effect<ReadonlyArray<Published>>
  }
>()("summoner-server/testing/TestBroadcaster") {}

/** The real broadcaster, which also records the published lines. Requires the same services. */
export const layer = Layer.effectContext(
  Effect.gen(function* () {
    const broadcaster = yield* Broadcaster
    const published: Array<Published> = []
    const text = (bytes: Uint8Array, start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString()
    const recording = Broadcaster.of({
      ...broadcaster,
      publishUnsafe: (sender, bytes, start, end, isConstant) => {
        const isRelayed = broadcaster.publishUnsafe(sender, bytes, start, end, isConstant)
        if (isRelayed) published.push({ from: sender.address, content: text(bytes, start, end), to: undefined })
        return isRelayed
      },
      publishToUnsafe: (recipients, sender, bytes, start, end) => {
        const isRelayed = broadcaster.publishToUnsafe(recipients, sender, bytes, start, end)
        const addresses = recipients.filter((member) => member !== sender).map(({ address }) => address)
        if (isRelayed) published.push({ from: sender.address, content: text(bytes, start, end), to: addresses })
        return isRelayed
      }
    })
    return Context.make(Broadcaster, recording).pipe(
      Context.add(TestBroadcaster, { published: Effect.sync(() => [...published]) })
    )
  })
).pipe(Layer.provide(Layer.fresh(Broadcaster.layer)))
