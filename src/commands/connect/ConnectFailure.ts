import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
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
