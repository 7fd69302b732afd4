import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** The server cannot be reached. Exit code 2. */
export class CannotConnect extends Schema.TaggedError<CannotConnect>()("CannotConnect", {
  address: Schema.String,
  reason: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 2
  override get message() {
    return `cannot connect to ${this.address}: ${this.reason}`
  }
}

/** The connection ended early. Exit code 3. */
export class Disconnected extends Schema.TaggedError<Disconnected>()("Disconnected", {
  address: Schema.String,
  reason: Schema.String,
  /** All input was sent, so that a new connection would have nothing to do. */
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
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was reset",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ENOSPC: "no space left on the device",
  ENOTFOUND: "host not found",
  EPIPE: "the connection was closed",
  ETIMEDOUT: "no answer"
}

/** Describes a system error, with its code. */
export const reason = (error: NodeJS.ErrnoException): string => {
  const { code } = error
  if (code === undefined) return error.message
  const words = reasons[code]
  return words === undefined ? code : `${words} (${code})`
}
