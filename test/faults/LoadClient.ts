/**
 * Clients for more traffic than a person makes: plain code that numbers and dates what it sends, and finds out about every
 * line it gets whether it is whole, in order, and how old.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { PATIENCE } from "../support/patience.ts"

export interface Options {
  /** Bytes of every numbered line, without its line feed. */
  readonly lineBytes: number
  /** Whether it reads from the start; else once `read` is called. */
  readonly reads?: boolean
  /** Where the server listens, `127.0.0.1` by default. */
  readonly host?: string
  /** How to shake hands with a server that has TLS. */
  readonly tls?: Tls.ConnectionOptions
}

const SEQUENCE_DIGITS = 9
const TIME_DIGITS = 12
/** `m000000001 000000000001 xxx…` */
const TIME_AT = 1 + SEQUENCE_DIGITS + 1
const PADDING_AT = TIME_AT + TIME_DIGITS + 1

const LINE_FEED = 0x0a
const QUOTE = 0x22
const COLON = 0x3a
const ZERO = 0x30
const LETTER_M = 0x6d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d
const PORT_AT = '{"remote_addr":"'.length
const CONTENT_AFTER_PORT = '","content":"'.length
const GREETING = "greeting "
const GREETING_IN = new RegExp(`"content":"${GREETING}(\\d+)"}$`)

/** What arrived from one sender. */
export interface Received {
  /** Numbered lines. */
  lines: number
  /** The number that the next one should have. */
  next: number
  /** Numbers passed over. */
  missing: number
  /** The first number passed over; Infinity if none was. */
  firstMissing: number
  /** Lines with a number that was passed over or seen before. */
  disordered: number
}

export class LoadClient {
  readonly socket: Net.Socket
  /** Our port, which tells who we are. */
  readonly port: number
  /** By the port of the sender. */
  readonly senders = new Map<number, Received>()
  /** Numbered lines of all senders. */
  lines = 0
  /** Lines that do not end as they should, or too early, or too late. */
  damaged = 0
  /** What the server itself said. */
  readonly notices: Array<string> = []
  /** Envelopes whose content is not numbered. */
  readonly others: Array<string> = []
  /** The age of the oldest line at its arrival, in milliseconds. */
  worstMillis = 0
  /** The server has ended its side, or the connection is gone. */
  ended = false
  /** Numbered lines sent. */
  sent = 0

  readonly #lineBytes: number
  readonly #ages = new Uint32Array(20_000)
  /** The latest greeting of each client. */
  readonly #greetings = new Map<number, number>()
  /** Greetings sent. */
  #greeted = 0
  readonly #watchers = new Set<() => void>()
  #unfinished: Buffer = Buffer.alloc(0)

  constructor(socket: Net.Socket, { lineBytes }: Options) {
    this.socket = socket
    this.port = socket.localPort!
    this.#lineBytes = lineBytes
    socket.on("data", (chunk: Buffer) => {
      this.#onData(chunk)
      this.#changed()
    })
    const end = () => {
      this.ended = true
      this.#changed()
    }
    socket
      .on("error", () => {})
      .once("end", end)
      .once("close", end)
  }

  /** Reads, from now on. */
  read(): void {
    this.socket.resume()
  }

  /** Stops reading. */
  pause(): void {
    this.socket.pause()
  }

  /** Sends so many numbered lines at once. Whether the socket wants more now. */
  send(lines: number): boolean {
    return this.socket.write(this.#numbered(lines))
  }

  /** Sends numbered lines evenly; done once the last is with the kernel. */
  sendEvenly(lines: number, linesPerSecond: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const start = performance.now()
      let sent = 0
      const timer = setInterval(() => {
        const due = Math.min(lines, Math.ceil(((performance.now() - start) * linesPerSecond) / 1000))
        if (due === sent) return
        const bytes = this.#numbered(due - sent)
        sent = due
        if (sent < lines) return void this.socket.write(bytes)
        clearInterval(timer)
        this.socket.write(bytes, () => resume(Effect.void))
      }, 2)
      return Effect.sync(() => clearInterval(timer))
    })
  }

  /** Sends numbered lines as fast as the server takes them; done once the last is with the kernel. */
  sendFast(lines: number): Effect.Effect<void> {
    const once = Math.max(1, Math.floor(65_536 / this.#lineBytes))
    return Effect.callback((resume) => {
      let left = lines
      const more = () => {
        while (left > once) {
          left -= once
          if (!this.send(once)) return
        }
        this.socket.off("drain", more)
        this.socket.write(this.#numbered(left), () => resume(Effect.void))
      }
      this.socket.on("drain", more)
      more()
      return Effect.sync(() => this.socket.off("drain", more))
    })
  }

  /** What arrived from a client. */
  from(sender: LoadClient): Received {
    return this.#sender(sender.port)
  }

  /** Says that it is there. */
  greet(): void {
    this.socket.write(`${GREETING}${++this.#greeted}\n`)
  }

  /** Whether a client's latest greeting has arrived: it is in the room, and none of it is on its way. */
  knows(client: LoadClient): boolean {
    return client.#greeted > 0 && this.#greetings.get(client.port) === client.#greeted
  }

  /** The age that `share` of all numbered lines did not exceed, in milliseconds. */
  percentile(share: number): number {
    let left = this.lines * (1 - share)
    for (let millis = this.#ages.length - 1; millis > 0; millis--) {
      left -= this.#ages[millis]!
      if (left < 0) return millis + 1
    }
    return 1
  }

  /** Sends numbered lines and waits until a reader has them: it never falls behind. */
  sendInStep(lines: number, reader: LoadClient): Effect.Effect<void> {
    return Effect.andThen(
      this.sendFast(lines),
      Effect.suspend(() => reader.until((self) => self.from(this).next >= this.sent, "the lines of this round"))
    )
  }

  /** Waits until something is true of this client. */
  until(condition: (self: this) => boolean, what: string): Effect.Effect<void> {
    const fail = (why: string) => Effect.die(new Error(`${why} for ${what}: ${this.#state()}`))
    const wait = Effect.callback<void>((resume) => {
      const isSettled = () => {
        if (condition(this)) resume(Effect.void)
        else if (this.ended) resume(fail("the connection has ended while waiting"))
        else return false
        this.#watchers.delete(isSettled)
        return true
      }
      if (!isSettled()) this.#watchers.add(isSettled)
      return Effect.sync(() => this.#watchers.delete(isSettled))
    })
    return Effect.timeoutOrElse(wait, {
      duration: PATIENCE,
      orElse: () => fail("waited too long")
    })
  }

  #state(): string {
    const { damaged, ended, lines, notices, senders } = this
    return JSON.stringify({ lines, damaged, ended, notices: notices.slice(-3), senders: [...senders].slice(0, 5) })
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher()
  }

  #numbered(lines: number): Buffer {
    const length = this.#lineBytes + 1
    const bytes = Buffer.alloc(lines * length, "x")
    const micros = Math.floor(performance.now() * 1000)
    for (let offset = 0; offset < bytes.length; offset += length) {
      bytes[offset] = LETTER_M
      writeDigits(bytes, offset + 1, SEQUENCE_DIGITS, this.sent++)
      bytes[offset + TIME_AT - 1] = 0x20
      writeDigits(bytes, offset + TIME_AT, TIME_DIGITS, micros)
      bytes[offset + PADDING_AT - 1] = 0x20
      bytes[offset + length - 1] = LINE_FEED
    }
    return bytes
  }

  #onData(chunk: Buffer): void {
    const now = performance.now()
    let from = 0
    if (this.#unfinished.length > 0) {
      const end = chunk.indexOf(LINE_FEED)
      if (end === -1) {
        this.#unfinished = Buffer.concat([this.#unfinished, chunk])
        return
      }
      const line = Buffer.concat([this.#unfinished, chunk.subarray(0, end)])
      this.#unfinished = line.subarray(0, 0)
      this.#onLine(line, 0, line.length, now)
      from = end + 1
    }
    for (let end = chunk.indexOf(LINE_FEED, from); end !== -1; end = chunk.indexOf(LINE_FEED, from)) {
      this.#onLine(chunk, from, end, now)
      from = end + 1
    }
    if (from < chunk.length) this.#unfinished = Buffer.from(chunk.subarray(from))
  }

  #onLine(bytes: Buffer, start: number, end: number, now: number): void {
    if (bytes[start] !== OPENING_BRACE) return void this.notices.push(bytes.toString("utf8", start, end))
    let at = start + PORT_AT
    let port = 0
    for (let byte = bytes[at]!; byte !== QUOTE && at < end; byte = bytes[++at]!) {
      port = byte === COLON ? 0 : port * 10 + byte - ZERO
    }
    at += CONTENT_AFTER_PORT
    if (bytes[at] !== LETTER_M) return this.#onOther(bytes.toString("utf8", start, end), port)
    if (end - at !== this.#lineBytes + 2 || bytes[end - 2] !== QUOTE || bytes[end - 1] !== CLOSING_BRACE) {
      this.damaged++
      return
    }
    const sender = this.#sender(port)
    const sequence = readDigits(bytes, at + 1, SEQUENCE_DIGITS)
    if (sequence < sender.next) sender.disordered++
    else {
      if (sequence > sender.next) {
        sender.firstMissing = Math.min(sender.firstMissing, sender.next)
        sender.missing += sequence - sender.next
      }
      sender.next = sequence + 1
    }
    sender.lines++
    this.lines++
    const age = now - readDigits(bytes, at + TIME_AT, TIME_DIGITS) / 1000
    if (age > this.worstMillis) this.worstMillis = age
    this.#ages[Math.min(this.#ages.length - 1, Math.max(0, Math.floor(age)))]!++
  }

  #sender(port: number): Received {
    let sender = this.senders.get(port)
    if (sender === undefined) {
      sender = { lines: 0, next: 0, missing: 0, firstMissing: Infinity, disordered: 0 }
      this.senders.set(port, sender)
    }
    return sender
  }

  #onOther(line: string, port: number): void {
    const greeting = GREETING_IN.exec(line)
    if (greeting !== null) this.#greetings.set(port, Number(greeting[1]))
    else this.others.push(line)
  }
}

const writeDigits = (bytes: Buffer, offset: number, digits: number, value: number) => {
  let rest = value
  for (let i = offset + digits - 1; i >= offset; i--) {
    bytes[i] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
}

const readDigits = (bytes: Buffer, offset: number, digits: number) => {
  let value = 0
  for (let i = offset; i < offset + digits; i++) value = value * 10 + bytes[i]! - ZERO
  return value
}

/** Of all clients here. Lines tell by it whose they are, and the kernel may give clients of two servers the same. */
const PORTS = new Set<number>()

/** Connects; the socket is gone when the scope closes. */
export const connect = (port: number, options: Options): Effect.Effect<LoadClient, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<LoadClient>((resume) => {
      const to = { port, host: options.host ?? "127.0.0.1" }
      const attempt = () => {
        const socket = options.tls ? Tls.connect({ ...to, ...options.tls }) : Net.connect({ ...to, noDelay: true })
        socket.once(options.tls ? "secureConnect" : "connect", () => {
          const ours = socket.localPort!
          if (PORTS.has(ours)) {
            socket.destroy()
            return attempt()
          }
          PORTS.add(ours)
          socket.once("close", () => PORTS.delete(ours))
          if (options.reads === false) socket.pause()
          resume(Effect.succeed(new LoadClient(socket, options)))
        })
        socket.once("error", (error) => resume(Effect.die(error)))
      }
      attempt()
    }),
    (client) => Effect.sync(() => void client.socket.destroy())
  )

/** Connects several. */
export const connectMany = (port: number, count: number, options: Options) =>
  Effect.forEach(Array.from({ length: count }), () => connect(port, options), { concurrency: 50 })

/** Waits until the server has let all of them in: a witness hears from everybody. */
export const gathered = Effect.fnUntraced(
  function* (clients: ReadonlyArray<LoadClient>, witness: LoadClient) {
    for (let millis = 300; ; millis *= 2) {
      const missing = clients.filter((client) => client !== witness && !witness.knows(client))
      if (missing.length === 0) return
      for (const client of missing) client.greet()
      yield* Effect.timeoutOption(
        witness.until((self) => missing.every((client) => self.knows(client)), "greetings"),
        millis
      )
    }
  },
  Effect.timeoutOrElse({
    duration: PATIENCE,
    orElse: () => Effect.die(new Error("the server does not let everybody in"))
  })
)

/** Lines of `sender` that `reader` got, and that it got all of them once and in order. */
export const complete = (reader: LoadClient, sender: LoadClient) => {
  const { disordered, lines, missing } = reader.from(sender)
  return { lines, missing, disordered, damaged: reader.damaged }
}
