import * as Effect from "effect/Effect"
import { MAX_LINE_BYTES } from "../../client/Incoming.ts"
import * as Notice from "../../protocol/Notice.ts"
import { ConnectFailure } from "./ConnectFailure.ts"

/** Notices that say that a line of this client was not relayed. */
const NOT_RELAYED = new Set([Notice.RATE_LIMITED, Notice.NOT_UTF8].map((line) => line.trimEnd()))
const TOO_LONG = /^Warning: Message exceeds \d+ bytes and was dropped\.$/

/** A notice that says how many lines of others did not come. */
const NOT_RECEIVED = /^Warning: You are reading too slowly and (\d+) messages? (?:was|were) dropped\.$/

export class Losses {
  /** Lines of standard input that are too long for any relay. */
  overlong = 0
  /** Lines received and dropped because standard output took them too slowly. */
  notRead = 0
  #notRelayed = 0
  #notReceived = 0
  #reason = ""

  /** @param notice a notice of the server, without its line feed */
  add(notice: string): void {
    this.#notReceived += Number(NOT_RECEIVED.exec(notice)?.[1] ?? 0)
    if (!NOT_RELAYED.has(notice) && !TOO_LONG.test(notice)) return
    this.#notRelayed++
    this.#reason = notice
  }

  /** Fails with exit code 4 if anything was lost. */
  get report(): Effect.Effect<void, ConnectFailure> {
    const notReceived = this.#notReceived + this.notRead
    const problems = [
      ...(this.#notRelayed > 0 ? [`the server did not relay ${counted(this.#notRelayed)}${this.#advice()}`] : []),
      ...(this.overlong > 0 ? [`${counted(this.overlong)} of more than ${MAX_LINE_BYTES} bytes not sent`] : []),
      ...(notReceived > 0 ? [`${counted(notReceived)} of others not received: the output was read too slowly`] : [])
    ]
    if (problems.length === 0) return Effect.void
    return Effect.fail(new ConnectFailure({ message: problems.join("; "), exitCode: 4 }))
  }

  #advice(): string {
    return `${this.#reason}\n` === Notice.RATE_LIMITED ? " sent too quickly (--rate spaces lines)" : ""
  }
}

const counted = (count: number): string => `${count} ${count === 1 ? "line" : "lines"}`
