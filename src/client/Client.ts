import { CannotConnect, type ClientError, Disconnected, NotSent } from "./ClientError.ts"
import { backoffMillis, LONGEST_TIMER_MILLIS, pause, quarantineMillis } from "./backoff.ts"
import { type Incoming, type Message, parse } from "./Incoming.ts"
import { LineBuffer } from "./LineBuffer.ts"
import type { Open, Transport } from "./Transport.ts"

/** How to connect again. */
export interface Reconnect {
  /** Failures in a row after which the client ends; 10 by default, which takes about a minute. `Infinity` never gives up. */
  readonly attempts?: number | undefined
  /** Whether the first connection is tried again as well; false by default, so that a wrong address fails at once. */
  readonly initially?: boolean | undefined
}

/** Whether the client is connected. */
export type Status =
  | { readonly state: "connected" }
  | {
      readonly state: "disconnected"
      /** Why there is no connection. */
      readonly error: ClientError
      /** The time until the next attempt, in milliseconds. */
      readonly retryMillis: number
    }

/** Options of a client. */
export interface Options {
  /** Whether a lost connection is made anew, after 250 ms, doubled each time up to 10 s, with jitter; true by default. */
  readonly reconnect?: boolean | Reconnect | undefined
  /** Called with each notice of the server as it arrives, without its line feed. */
  readonly onNotice?: ((notice: string) => void) | undefined
  /** Called when the connection is there, or lost and to be made anew. */
  readonly onStatus?: ((status: Status) => void) | undefined
  /** The most memory that received lines which nobody has taken may hold, and lines not yet sent, in bytes; 16 MiB by default. */
  readonly maxBufferBytes?: number | undefined
  /**
   * What happens to received lines at that limit. `"drop-oldest"` is the default: a program that pauses for long, or only sends, is
   * not disconnected for reading too slowly, and `dropped` counts what it has lost. `"pause"` reads no more, so that nothing is lost
   * until the server runs out of patience; WebSocket cannot be paused, so it is an error there.
   */
  readonly whenFull?: "drop-oldest" | "pause" | undefined
  /** How long an attempt to connect may take, in milliseconds; 10,000 by default. */
  readonly connectTimeoutMillis?: number | undefined
  /** Ends the client at once, whatever it does. What waits for it is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const MAX_BUFFER_BYTES = 16_777_216
const ATTEMPTS = 10
const CONNECT_TIMEOUT_MILLIS = 10_000
const CLOSE_TIMEOUT_MILLIS = 10_000

/** A connection that lasted this long resets the backoff. */
const LASTING_MILLIS = 10_000

/** The last line of a server that disconnects or refuses this client, and may not have relayed its lines. */
const REFUSAL = /^Warning: (?:You have been disconnected|You are quarantined|Server is full)/

interface Waiting {
  readonly line: string | Uint8Array
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A client of a relay. One consumer reads from it at a time. */
export class Client implements AsyncDisposable {
  readonly #open: Open
  readonly #url: string
  readonly #options: Options
  readonly #maxBufferBytes: number
  readonly #received = new LineBuffer<{ readonly line: string; readonly isCut: boolean }>()
  readonly #waiting = new LineBuffer<Waiting>()
  /** Ends an attempt to connect, or the pause before one. */
  readonly #abort = new AbortController()
  #transport: Transport | undefined
  #canWrite = false
  #isPaused = false
  #isClosing = false
  #dropped = 0
  /** Those who wait for the next line, or the end. */
  readonly #awaiting: Array<() => void> = []
  #end: { readonly error: unknown } | undefined

  private constructor(open: Open, url: string, options: Options) {
    this.#open = open
    this.#url = url
    this.#options = options
    this.#maxBufferBytes = options.maxBufferBytes ?? MAX_BUFFER_BYTES
  }

  /**
   * Connects with a transport; `connect` chooses one by the URL.
   *
   * @internal
   */
  static async connect(open: Open, url: string, options: Options): Promise<Client> {
    const { signal } = options
    signal?.throwIfAborted()
    const client = new Client(open, url, options)
    const onAbort = () => client.#destroy(signal!.reason)
    signal?.addEventListener("abort", onAbort)
    await new Promise<void>((resolve, reject) => {
      const end = (error: unknown) => {
        signal?.removeEventListener("abort", onAbort)
        client.#finish(error)
        // Without effect once connected.
        reject(error)
      }
      client.#run(resolve).then(end, end)
    })
    return client
  }

  /** Whether there is a connection at the moment. */
  get isConnected(): boolean {
    return this.#transport !== undefined
  }

  /** Lines received and dropped because the buffer was full. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * The lines of other clients, without notices, until the client is closed. Throws `Disconnected` or `CannotConnect` when it ends
   * otherwise. A loop may be left and another begun.
   */
  get messages(): AsyncIterableIterator<Message> {
    return this.#messages()
  }

  async *#messages(): AsyncGenerator<Message, void, undefined> {
    for await (const line of this.lines) if (line.type === "message") yield line
  }

  /** All lines of the server in their order, notices and the beginnings of overlong lines included; ends like `messages`. */
  get lines(): AsyncIterableIterator<Incoming> {
    return this.#lines()
  }

  async *#lines(): AsyncGenerator<Incoming, void, undefined> {
    while (await this.readable()) {
      const entry = this.#received.shift()
      if (entry === undefined) continue
      this.#pauseIf(this.#isPaused && this.#received.bytes > this.#maxBufferBytes / 2)
      yield parse(entry.line, entry.isCut)
    }
  }

  /** Waits for lines. Resolves with false when the client was closed, and rejects when it ended otherwise. */
  async readable(): Promise<boolean> {
    while (this.#received.length === 0) {
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error
        return false
      }
      await this.#nextNews()
    }
    return true
  }

  /** The lines that have arrived, for programs that handle many at once; `readable` waits for some. */
  takeAll(): Array<Incoming> {
    const entries = this.#received.takeAll()
    this.#pauseIf(false)
    return entries.map(({ isCut, line }) => parse(line, isCut))
  }

  /**
   * Sends a line, after those before it. A line that the server does not relay earns a notice.
   *
   * @param line without a line feed. Bytes must be UTF-8
   * @returns resolves when the connection has taken it: await it, to be no faster than the server. While there is no connection it waits
   *   for one. Rejects with `NotSent` for a line with a line feed, when `maxBufferBytes` of lines wait, and when the client has ended. A
   *   line that was taken is lost if the connection is lost before the server reads it
   */
  send(line: string | Uint8Array): Promise<void> {
    if (typeof line === "string" ? line.includes("\n") : line.includes(10)) {
      return Promise.reject(new NotSent("it has a line feed; expected one line (JSON.stringify makes one of any text)"))
    }
    if (this.#end !== undefined || this.#isClosing) return Promise.reject(this.#closed())
    if (this.#waiting.bytes > this.#maxBufferBytes) {
      return Promise.reject(new NotSent("too many lines wait already; await each before the next"))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject })
      this.#flush()
    })
  }

  /**
   * Leaves in order: sends what waits, ends the sending side, and resolves when the server has closed. Lines that still arrive can be
   * read (not over WebSocket).
   *
   * @param options `goodbye`: a last line; `timeoutMillis`: how long the server may take, 10,000 by default
   * @returns rejects if the connection was lost before, if the server has refused this client, and at the timeout
   */
  async close(
    options: { readonly goodbye?: string | undefined; readonly timeoutMillis?: number | undefined } = {}
  ): Promise<void> {
    const { goodbye, timeoutMillis = CLOSE_TIMEOUT_MILLIS } = options
    const said = goodbye === undefined ? Promise.resolve() : this.send(goodbye)
    this.#isClosing = true
    // An attempt to connect again has nothing to send for but what waits.
    if (this.#transport === undefined) this.#abort.abort()
    this.#flush()
    const timer = setTimeout(
      () => this.#destroy(new Disconnected(this.#url, `the server has not closed within ${timeoutMillis} ms`)),
      Math.min(timeoutMillis, LONGEST_TIMER_MILLIS)
    )
    try {
      await said
      while (this.#end === undefined) await this.#nextNews()
    } finally {
      clearTimeout(timer)
    }
    if (this.#end.error !== undefined) throw this.#end.error
  }

  /** Closes the client, unless it has ended already. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end === undefined) await this.close()
  }

  /** Connects again and again. Resolves with why it ended: `undefined` after `close`. */
  async #run(onConnected: () => void): Promise<unknown> {
    const { reconnect = true } = this.#options
    const { attempts = ATTEMPTS, initially = false } = typeof reconnect === "object" ? reconnect : {}
    let failures = 0
    let hasConnected = false
    while (true) {
      let connectedAt: number | undefined
      const error = await this.#session(() => {
        connectedAt = performance.now()
        hasConnected = true
        this.#options.onStatus?.({ state: "connected" })
        onConnected()
        this.#flush()
      })
      if (connectedAt !== undefined && performance.now() - connectedAt > LASTING_MILLIS) failures = 0
      if (this.#abort.signal.aborted && !this.#isClosing) return this.#abort.signal.reason
      if (error === undefined || this.#isClosing || reconnect === false) return error
      if (failures >= attempts || !(hasConnected || initially)) return error
      const retryMillis = Math.max(backoffMillis(failures++, Math.random()), quarantineMillis(error))
      this.#options.onStatus?.({ state: "disconnected", error, retryMillis })
      await pause(retryMillis, this.#abort.signal)
      if (this.#abort.signal.aborted) return this.#isClosing ? error : this.#abort.signal.reason
    }
  }

  /** One connection. Resolves with why it ended: `undefined` after `close`. */
  #session(onConnected: () => void): Promise<ClientError | undefined> {
    const { connectTimeoutMillis = CONNECT_TIMEOUT_MILLIS, onNotice } = this.#options
    const timeout = AbortSignal.timeout(Math.min(connectTimeoutMillis, LONGEST_TIMER_MILLIS))
    let last = ""
    let isEnding = false
    return new Promise((resolve, reject) => {
      const onLine = (line: string, isCut: boolean) => {
        last = line
        this.#receive(line, isCut)
        if (onNotice !== undefined && parse(line, isCut).type === "notice") onNotice(line)
      }
      const onClose = (reason: string | undefined, isFlushed: boolean) => {
        this.#transport = undefined
        this.#canWrite = false
        if (reason !== undefined) return resolve(new Disconnected(this.#url, reason))
        const notice = last.startsWith("Warning: ") ? last : undefined
        if (isEnding && isFlushed && !REFUSAL.test(last)) return resolve(undefined)
        const said = notice === undefined ? "" : ` (${notice.slice(9)})`
        resolve(new Disconnected(this.#url, `the server closed it${said}`, notice))
      }
      const onWritable = () => {
        this.#canWrite = true
        this.#flush()
      }
      const onOpen = (transport: Transport) => {
        const end = () => {
          isEnding = true
          transport.end()
        }
        this.#transport = { ...transport, end }
        // Aborted since it was opened.
        if (this.#abort.signal.aborted) return transport.destroy()
        this.#canWrite = true
        if (this.#isPaused) transport.setPaused?.(true)
        onConnected()
        return undefined
      }
      const onFailure = (cause: Error) => {
        const reason = timeout.aborted ? `no answer within ${connectTimeoutMillis / 1000} s` : cause.message
        resolve(new CannotConnect(this.#url, reason))
      }
      this.#open(this.#url, { onLine, onWritable, onClose }, AbortSignal.any([this.#abort.signal, timeout]))
        .then(onOpen, onFailure)
        // Thrown by a callback of the program.
        .catch(reject)
    })
  }

  #receive(line: string, isCut: boolean): void {
    this.#received.push({ line, isCut })
    if (this.#received.bytes > this.#maxBufferBytes) {
      if (this.#options.whenFull === "pause") this.#pauseIf(true)
      else {
        while (this.#received.bytes > this.#maxBufferBytes && this.#received.length > 1) {
          this.#received.shift()
          this.#dropped++
        }
      }
    }
    this.#tell()
  }

  #pauseIf(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    this.#transport?.setPaused?.(isPaused)
  }

  /** Hands what waits to the connection, as long as it takes more. */
  #flush(): void {
    while (this.#transport !== undefined && this.#canWrite) {
      const next = this.#waiting.shift()
      if (next === undefined) {
        if (!this.#isClosing) return
        this.#canWrite = false
        return this.#transport.end()
      }
      this.#canWrite = this.#transport.write(next.line)
      next.resolve()
    }
  }

  #destroy(reason: unknown): void {
    this.#isClosing = false
    this.#abort.abort(reason)
    this.#transport?.destroy()
  }

  #finish(error: unknown): void {
    this.#end = { error }
    this.#transport?.destroy()
    for (const { reject } of this.#waiting.takeAll()) reject(this.#closed())
    this.#tell()
  }

  #closed(): unknown {
    const error = this.#end?.error
    if (error === undefined) return new NotSent("the client is closed")
    return error instanceof CannotConnect || error instanceof Disconnected ? new NotSent(error.message) : error
  }

  #tell(): void {
    for (const resolve of this.#awaiting.splice(0)) resolve()
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => this.#awaiting.push(resolve))
  }
}
