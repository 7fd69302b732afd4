import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { fstatSync } from "node:fs"
import { reasonOf } from "../../client/systemErrors.ts"

/** `connect` ends with this line on standard error and this exit code. */
export class ConnectFailure extends Schema.TaggedError<ConnectFailure>()("ConnectFailure", {
  message: Schema.String,
  exitCode: Schema.Int
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
}

/** Standard input, standard output or a file failed: exit code 1. */
export const streamFailed = (action: string, error: NodeJS.ErrnoException): ConnectFailure =>
  new ConnectFailure({ message: `cannot ${action}: ${reasonOf(error)}`, exitCode: 1 })

/** Whether a standard stream is a directory, which Node.js takes for an input that is empty, or an output that takes everything. */
export const isDirectory = (descriptor: 0 | 1): boolean => {
  try {
    return fstatSync(descriptor).isDirectory()
  } catch {
    // Closed: Node.js opens /dev/null in its place.
    return false
  }
}
