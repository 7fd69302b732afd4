/** The server could not be reached. */
export class CannotConnect extends Error {
  /** Tells the errors of a client apart. */
  readonly _tag = "CannotConnect"
  /** Why, without the address. */
  readonly reason: string

  constructor(url: string, reason: string) {
    super(`cannot connect to ${url}: ${reason}`)
    this.name = "CannotConnect"
    this.reason = reason
  }
}

/** The connection was lost, or the server closed it. */
export class Disconnected extends Error {
  /** Tells the errors of a client apart. */
  readonly _tag = "Disconnected"
  /** Why, without the address. */
  readonly reason: string
  /** The last line of a server that has closed in order, if it was a notice: `Warning: Server is shutting down.` */
  readonly notice: string | undefined

  constructor(url: string, reason: string, notice?: string) {
    super(`lost the connection to ${url}: ${reason}`)
    this.name = "Disconnected"
    this.reason = reason
    this.notice = notice
  }
}

/** A line was not sent. */
export class NotSent extends Error {
  /** Tells the errors of a client apart. */
  readonly _tag = "NotSent"

  constructor(reason: string) {
    super(`the line was not sent: ${reason}`)
    this.name = "NotSent"
  }
}

/** Why a client ended. */
export type ClientError = CannotConnect | Disconnected
