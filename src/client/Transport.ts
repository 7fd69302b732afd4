/** One established connection, which carries lines. */
export interface Transport {
  /** Hands over a line, without its line feed. Returns whether the connection takes another at once; if not, `onWritable` tells when it does. */
  readonly write: (line: string | Uint8Array) => boolean
  /** Ends the sending side after all that was written. */
  readonly end: () => void
  /** Drops the connection at once; `onClose` tells of it. */
  readonly destroy: () => void
  /** Stops reading, or goes on. Absent where reading cannot be stopped. */
  readonly setPaused?: (isPaused: boolean) => void
}

/** What a connection tells its client. */
export interface Handlers {
  /** @param isCut whether `line` is only the beginning of a line that is too long */
  readonly onLine: (line: string, isCut: boolean) => void
  readonly onWritable: () => void
  /**
   * The end of an established connection, told once.
   *
   * @param reason what went wrong; `undefined` if the server has closed in order
   * @param isFlushed whether `end` was called and the connection has taken everything
   */
  readonly onClose: (reason: string | undefined, isFlushed: boolean) => void
}

/** Connects. Rejects with an error whose message is the reason. */
export type Open = (url: string, handlers: Handlers, signal: AbortSignal) => Promise<Transport>
