import type * as Net from "node:net"
import { releaseMemory } from "../internal/releaseMemory.ts"

/**
 * Reads what the peer still sends, for nobody: a socket that is closed before it is read is reset, which costs the peer what it has not
 * read. Takes the place of all readers.
 */
export const discard = (socket: Net.Socket): void => {
  socket
    .removeAllListeners("data")
    .on("data", (chunk: Buffer) => discardChunk(socket, chunk))
    .resume()
}

/** The next chunk is read in the next turn of the event loop, so that a flood that is discarded delays nobody more than others do. */
export const discardChunk = (socket: Net.Socket, chunk: Uint8Array): void => {
  releaseMemory(chunk)
  socket.pause()
  setImmediate(resume, socket)
}

const resume = (socket: Net.Socket) => void socket.resume()
