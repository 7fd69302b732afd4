import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** Nobody answers at the address. Exit code 2. */
export class CannotConnect extends Schema.TaggedError<CannotConnect>()("CannotConnect", {
  address: Schema.String,
  reason: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 2
  override get message() {
    return `cannot connect to ${this.address}: ${this.reason}`
  }
}

/** The connection ended before we wanted it to. Exit code 3. */
export class Disconnected extends Schema.TaggedError<Disconnected>()("Disconnected", {
  address: Schema.String,
  reason: Schema.String,
  /** Everything to be sent is sent, or was: a new connection would have nothing to do. */
  isDone: Schema.Boolean
}) {
  override readonly [Runtime.errorExitCode] = 3
  override get message() {
    return `lost the connection to ${this.address}: ${this.reason}`
  }
}

/** Standard input or output failed. Exit code 1. */
export class StreamFailed extends Schema.TaggedError<StreamFailed>()("StreamFailed", {
  stream: Schema.Literals(["read standard input", "write to standard output"]),
  reason: Schema.String
}) {
  override get message() {
    return `cannot ${this.stream}: ${this.reason}`
  }
}

const reasons: Record<string, string | undefined> = {
  EAI_AGAIN: "the name cannot be resolved at the moment",
  ECONNREFUSED: "nobody listens there",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ENOSPC: "no space is left",
  ENOTFOUND: "there is no such host",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "no answer"
}

/** An error of the system in words, with its code. */
export const reason = (error: NodeJS.ErrnoException): string => {
  const { code } = error
  if (code === undefined) return error.message
  const words = reasons[code]
  return words === undefined ? code : `${words} (${code})`
}
