import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type * as Net from "node:net"
import { type BoundAddress, ListenError } from "../session/Listener.ts"
import type { SharedPort } from "../transport/SharedPort.ts"
import type { ToPrimary, ToWorker } from "./Messages.ts"

interface Port {
  readonly bound: Deferred.Deferred<BoundAddress, ListenError>
  readonly receive: (socket: Net.Socket) => void
}

/** Stays with the socket for good, so that it must not keep alive what is around it. */
const ignore = () => {}

const decodeError = Schema.decodeUnknownSync(ListenError)

/** The ports of a worker, whose connections the primary hands out. */
export class HandedPorts {
  readonly #ports = new Map<string, Port>()
  readonly #send: (message: ToPrimary) => void

  /** @param send tells the primary something */
  constructor(send: (message: ToPrimary) => void) {
    this.#send = send
  }

  readonly service: NonNullable<typeof SharedPort.Service> = {
    listen: (at, key, receive) =>
      Effect.gen({ self: this }, function* () {
        const port: Port = { bound: Deferred.makeUnsafe(), receive }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            this.#ports.set(key, port)
            this.#send({ _tag: "Listen", key, at: { host: at.host, port: at.port } })
          }),
          () => Effect.sync(() => this.#ports.delete(key))
        )
        return yield* Deferred.await(port.bound)
      })
  }

  /** Takes what the primary says of ports. */
  take(message: Extract<ToWorker, { readonly key: string }>, socket: Net.Socket | undefined): void {
    const port = this.#ports.get(message.key)
    switch (message._tag) {
      case "Bound":
        return void (port && Deferred.doneUnsafe(port.bound, Exit.succeed(message.bound)))
      case "NotBound":
        return void (port && Deferred.doneUnsafe(port.bound, Exit.fail(decodeError(message.error))))
      case "Connection": {
        // Node reads it already: a reset without a listener would end this process.
        socket?.on("error", ignore)
        this.#send({ _tag: "Taken", number: message.number })
        if (socket === undefined) return
        socket.allowHalfOpen = true
        socket.pause()
        // It ends: nobody is let in any more.
        if (port === undefined) socket.destroy()
        else port.receive(socket)
      }
    }
  }
}
