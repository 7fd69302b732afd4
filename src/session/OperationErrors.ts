/** Errors of `Operations`. */
import * as Schema from "effect/Schema"
import { show } from "../config/redact.ts"

/** No client with that address is in the room. */
export class ClientNotFound extends Schema.TaggedError<ClientNotFound>()("ClientNotFound", {
  address: Schema.String
}) {
  override get message() {
    return `no client ${show(this.address)} is connected; expected the ip:port of one that is`
  }
}

/** A message or notice of the host program cannot be sent. */
export class MessageRejected extends Schema.TaggedError<MessageRejected>()("MessageRejected", {
  /**
   * `too long`: it would exceed `max_line_bytes`, or a notice 64 KiB. `not Unicode`: it has an unpaired surrogate. `not read`: the client
   * has not read earlier notices, and gets no more for now.
   */
  reason: Schema.Literals(["too long", "not Unicode", "not read"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A quarantine cannot be changed as asked. */
export class QuarantineRejected extends Schema.TaggedError<QuarantineRejected>()("QuarantineRejected", {
  reason: Schema.Literals(["disabled", "not an address"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}
