import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Stream from "effect/Stream"
import * as IncomingLines from "../../client/IncomingLines.ts"
import { type ConnectFailure, isDirectory, streamFailed } from "./ConnectFailure.ts"

const failed = (error: unknown) => streamFailed("read standard input", error as NodeJS.ErrnoException)

/** The lines of standard input, read no faster than they are taken. It is closed with the stream. */
export const standardInput: Stream.Stream<IncomingLines.Line, ConnectFailure> = Stream.suspend(() => {
  // Node.js takes a directory for an input that is empty.
  if (isDirectory(0)) return Stream.fail(failed({ code: "EISDIR" }))
  const incoming = new IncomingLines.IncomingLines()
  return NodeStream.fromReadable<Buffer, ConnectFailure>({
    evaluate: () => process.stdin,
    onError: failed,
    chunkSize: 1
  }).pipe(
    Stream.map((bytes) => incoming.push(bytes)),
    Stream.concat(Stream.sync(() => incoming.end())),
    Stream.flattenIterable
  )
})
