/** The server for programs without Effect (docs/embedding.md). */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { inspect } from "node:util"
import type { AdminMount } from "./admin/AdminMount.ts"
import * as ConfigErrors from "./config/ConfigError.ts"
import * as ConfigSources from "./config/ConfigSources.ts"
import * as ServerConfig from "./config/ServerConfig.ts"
import type { Observed } from "./internal/EventFeed.ts"
import type { Entry } from "./limits/Quarantine.ts"
import * as MessageFilter from "./session/MessageFilter.ts"
import * as RelayLogger from "./logging/RelayLogger.ts"
import { RelayServer, type Setup } from "./RelayServer.ts"
import type { ClientInfo, ClientState } from "./room/ClientInfo.ts"
import type { DisconnectKind, DisconnectOptions } from "./room/DisconnectReason.ts"
import type { RelayEvent, Stats } from "./session/ClientRegistry.ts"
import type { BoundAddress } from "./session/Listener.ts"
import type { BroadcastOptions, ServerState } from "./session/Operations.ts"
import { layerConfig as layerTelemetry } from "./telemetry/Telemetry.ts"
import type { WebSocketMount } from "./transport/websocket/WebSocketMount.ts"

export type { BoundAddress, BroadcastOptions, ClientInfo, ClientState, Entry, ServerState, Stats }

/** Where the server listens, and how it is configured. */
export interface RunOptions extends Pick<Setup, "environment"> {
  /** By default `127.0.0.1`. In the Rust profile the configuration wins, in the Python profile this value. */
  readonly host?: string | undefined
  /** By default 8888; 0 takes a free one. Precedence as for `host`. */
  readonly port?: number | undefined
  /** Path of a `server.json`. */
  readonly configPath?: string | undefined
  /** The content of a `server.json`, instead of `configPath`. */
  readonly configDict?: object | undefined
  /**
   * Decides on clients that connect and on their lines: `(client) => (line) => decision`, each plain or async. Decisions are those of
   * `summoner-server/MessageFilter`. What it throws disconnects the client, and is logged.
   */
  readonly messageFilter?: MessageFilter.PlainOpen | undefined
  /** The admin API below a path of an HTTP server of the program: `AdminMount.make(prefix)`. The relay then runs in one thread. */
  readonly adminMount?: AdminMount | undefined
  /** WebSocket clients of an HTTP server of the program: `WebSocketMount.make()`. The relay then runs in one thread. */
  readonly webSocketMount?: WebSocketMount | undefined
  /** Whether clients wait for `open`, so that what follows `events` misses none. `false` by default. */
  readonly startsClosed?: boolean | undefined
}

/** An event. `missed`: events lost just before it, because the loop was too slow. */
export type ServerEvent =
  | {
      readonly type: "message"
      readonly address: string
      readonly content: string
      /** Its recipients, if the program chose them. */
      readonly to?: ReadonlyArray<string> | undefined
      readonly missed: number
    }
  | { readonly type: "connected"; readonly client: ClientInfo; readonly missed: number }
  | {
      readonly type: "stateChanged"
      readonly client: ClientInfo
      readonly from: ClientState
      readonly missed: number
    }
  | {
      readonly type: "disconnected"
      readonly client: ClientInfo
      readonly kind: DisconnectKind
      readonly reason: string
      readonly missed: number
    }

interface Running {
  readonly relay: RelayServer["Service"]
  /** Shuts down; the same promise for every caller. */
  readonly stop: () => Promise<void>
  readonly stopped: Promise<void>
}

/**
 * A relay server: `await new SummonerServer("name").run({ configPath: "server.json" })`.
 *
 * Every error is an `Error` whose message says what is wrong and where, with the error of the server itself as its `cause`.
 */
export class SummonerServer implements AsyncDisposable {
  /** A field of the log's formats, and the name of the log file. */
  readonly name: string
  #starting: Promise<Running> | undefined
  #running: Running | undefined

  /**
   * A server that does not run yet.
   *
   * @param name of the server in its log
   */
  constructor(name = "MyServer") {
    this.name = name
  }

  /**
   * Runs the server until `shutdown` is called or the process gets SIGINT or SIGTERM. A second signal ends the process at once.
   *
   * @returns settles when the server has been shut down; rejects with a `TypeError` for a `configDict` that is not an object,
   *   and with an `Error` for a configuration that is wrong or a port that is taken
   */
  async run(options: RunOptions = {}): Promise<void> {
    let signals = 0
    const onSignal = (signal: NodeJS.Signals) => {
      if (++signals > 1) process.exit(signal === "SIGINT" ? 130 : 143)
      // A failed shutdown rejects the promise of `run`.
      this.shutdown().catch(() => {})
    }
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal)
    try {
      const { stopped } = await this.#start(options)
      await stopped
    } finally {
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal)
    }
  }

  /** Starts the server, and installs no signal handlers. Settles when it listens; rejects as `run` does. */
  async start(options: RunOptions = {}): Promise<void> {
    await this.#start(options)
  }

  /**
   * Stops accepting, delivers what was accepted, sends every client a notice and closes. Settles when that is done; at once, if the
   * server does not run. It can be started again.
   */
  async shutdown(): Promise<void> {
    const running = await this.#starting?.catch(() => undefined)
    await running?.stop()
  }

  /** Shuts down, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  /** Where the server listens. Throws if it does not run, as do all members below. */
  get address(): BoundAddress {
    return this.#relay.address
  }

  /** The URL for WebSocket clients; `undefined` if the server does not listen for them. */
  get webSocketUrl(): string | undefined {
    return this.#relay.webSocketUrl
  }

  /** Serves the clients that wait, and those that come, if the server was started with `startsClosed`. */
  open(): void {
    Effect.runSync(this.#relay.open)
  }

  /** Where health, metrics and the dashboard are, if anywhere. */
  get adminAddress(): BoundAddress | undefined {
    return this.#relay.adminAddress
  }

  /** Whether it takes new clients. */
  get state(): ServerState {
    return Effect.runSync(this.#relay.state)
  }

  /** Takes no new clients from now on; connected clients stay. */
  drain(): void {
    Effect.runSync(this.#relay.drain)
  }

  /** Takes new clients again. */
  undrain(): void {
    Effect.runSync(this.#relay.undrain)
  }

  /** The clients in the room. */
  get clients(): ReadonlyArray<ClientInfo> {
    return Effect.runSync(this.#relay.clients)
  }

  /** Counts since the start of the server. */
  get stats(): Stats {
    return Effect.runSync(this.#relay.stats)
  }

  /**
   * Events in order, from the moment at which a loop begins; first, a `connected` for each client in the room. Each loop has its own
   * events. A loop that falls behind by 1,024 loses the oldest: `missed` says how many. Ends with the server.
   */
  get events(): AsyncIterable<ServerEvent> {
    return Stream.toAsyncIterable(Stream.map(this.#relay.events, toServerEvent))
  }

  /**
   * Sends a message to every client in the room, or to some.
   *
   * @param options `from`: the `remote_addr` that clients see; by default the server's own `host:port`. `to`: the `ip:port` of the client
   *   that gets the message, or of those who do; by default all
   * @returns rejects if it is longer than `max_line_bytes`, or a client in `to` is not in the room (the others have got it then), and
   *   with a `TypeError` for a value that is no string, as do all members below
   */
  async broadcast(content: string, options: BroadcastOptions = {}): Promise<void> {
    const { from = "", to = [] } = options
    checkStrings({ content, from })
    for (const address of typeof to === "string" ? [to] : to) checkStrings({ to: address })
    await run(this.#relay.broadcast(content, options))
  }

  /**
   * Sends one client a notice: a plain line that begins with `Warning: `, which is put before the text if it is not there.
   *
   * @param address `ip:port`
   * @returns rejects if no such client is connected, or it does not read
   */
  async send(address: string, notice: string): Promise<void> {
    checkStrings({ address, notice })
    await run(this.#relay.send(address, notice))
  }

  /**
   * Disconnects one client, after sending it what waits.
   *
   * @param address `ip:port`
   * @param options `notice`: sent to the client; `quarantine`: whether it is quarantined for `quarantine_cooldown_secs`
   * @returns rejects, and the client stays, if it is not connected, the notice is too long, or there is no quarantine
   */
  async disconnect(address: string, options: DisconnectOptions = {}): Promise<void> {
    const { notice = "" } = options
    checkStrings({ address, notice })
    await run(this.#relay.disconnect(address, options))
  }

  /** The quarantine for new connections. A key is an IP address, or an `ip:port`, as `quarantine_scope` says. */
  get quarantine(): {
    /** The keys in quarantine, and the time that is left. */
    readonly list: () => ReadonlyArray<Entry>
    /** Quarantines a key for `quarantine_cooldown_secs`; throws for a text that is no key. */
    readonly add: (key: string) => void
    /** Releases a key. `false`: it was not quarantined. */
    readonly lift: (key: string) => boolean
  } {
    const { quarantine } = this.#relay
    return {
      list: () => Effect.runSync(quarantine.list),
      add: (key) => {
        checkStrings({ key })
        unwrap(Effect.runSyncExit(quarantine.add(key)))
      },
      lift: (key) => {
        checkStrings({ key })
        return Effect.runSync(quarantine.lift(key))
      }
    }
  }

  get #relay(): RelayServer["Service"] {
    if (this.#running === undefined) throw new Error(`the server ${JSON.stringify(this.name)} is not running`)
    return this.#running.relay
  }

  async #start(options: RunOptions): Promise<Running> {
    if (this.#starting !== undefined) throw new Error(`the server ${JSON.stringify(this.name)} is running already`)
    this.#starting = this.#launch(options)
    try {
      this.#running = await this.#starting
      return this.#running
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  async #launch(options: RunOptions): Promise<Running> {
    const { adminMount, configDict, messageFilter, startsClosed, webSocketMount } = options
    if (configDict !== undefined) {
      check("configDict", configDict, isPlainObject(configDict), "an object, as in a server.json")
    }
    if (messageFilter !== undefined) {
      check("messageFilter", messageFilter, typeof messageFilter === "function", "a function")
    }
    for (const [name, mount] of Object.entries({ adminMount, webSocketMount })) {
      if (mount !== undefined) check(name, mount, Layer.isLayer(mount?.layer), "what make returned")
    }
    const { values, warnings } = await run(configure(options))
    const runtime = ManagedRuntime.make(
      RelayServer.layerServerConfig({
        messageFilter: messageFilter && MessageFilter.fromPlain(messageFilter),
        adminServer: adminMount?.layer,
        webSocketListener: webSocketMount?.layer,
        startsClosed
      }).pipe(
        Layer.provide(
          Layer.effectDiscard(Effect.forEach(warnings, (warning) => Effect.logWarning(warning), { discard: true }))
        ),
        Layer.provide(layerTelemetry(this.name)),
        Layer.provide(RelayLogger.layerConfig(this.name)),
        Layer.provide(ServerConfig.ServerConfig.layer(values))
      )
    )
    const exit = await runtime.runPromiseExit(RelayServer)
    if (Exit.isFailure(exit)) await runtime.dispose()
    const relay = unwrap(exit)

    let stopping: Promise<void> | undefined
    const { promise: stopped, resolve, reject } = Promise.withResolvers<void>()
    const stop = () => {
      stopping ??= run(runtime.disposeEffect).finally(() => {
        this.#running = undefined
        this.#starting = undefined
      })
      stopping.then(resolve, reject)
      return stopping
    }
    // A caller of `start` does not await it.
    stopped.catch(() => {})
    return { relay, stop, stopped }
  }
}

const check = (name: string, value: unknown, isRight: boolean, expected: string): void => {
  if (!isRight) throw new TypeError(`${name} must be ${expected}; found ${inspect(value, { depth: 0 })}`)
}

const isPlainObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value))

const checkStrings = (values: { readonly [name: string]: unknown }): void => {
  for (const [name, value] of Object.entries(values)) check(name, value, typeof value === "string", "a string")
}

/** The configuration, with host and port by the precedence that `RunOptions` documents. */
const configure = Effect.fnUntraced(function* ({ configDict, configPath, environment, host, port }: RunOptions) {
  const source = configDict !== undefined ? "configDict" : (configPath ?? "arguments")
  const written = configDict ?? (configPath === undefined ? {} : yield* ServerConfig.read(configPath))
  const overlaid = environment && (yield* ConfigSources.withEnvironment(source, written, environment))
  const examined = ServerConfig.examine(overlaid?.input ?? written)
  const problems = ConfigErrors.problemsIn(examined.values)
  // Problems that compare keys with a port are judged by the port that wins.
  if (problems.some(({ comparesKeys }) => !comparesKeys)) return yield* ConfigErrors.invalidKeys(source, problems)
  const present = examined.input as Pick<ServerConfig.Written, "host" | "port" | "version">
  const isPython = ServerConfig.profileOf(present.version ?? ServerConfig.defaults.version) === "python"
  const bind = isPython
    ? { host: host ?? "127.0.0.1", port: port ?? 8888 }
    : { host: present.host ?? host, port: present.port ?? port }
  const checked = ServerConfig.examine({ ...present, ...bind })
  if (Result.isFailure(checked.values)) {
    const disagree = checked.values.failure.every(({ comparesKeys }) => comparesKeys)
    return yield* ConfigErrors.invalidKeys(disagree ? source : "arguments", checked.values.failure)
  }
  const values = checked.values.success
  const warnings = overlaid?.warnings ?? examined.warnings.map((warning) => `${source}: ${warning}`)
  return { values, warnings }
})

const TYPES = {
  Relayed: "message",
  Connected: "connected",
  StateChanged: "stateChanged",
  Disconnected: "disconnected"
} as const satisfies Record<RelayEvent["_tag"], ServerEvent["type"]>

const toServerEvent = ({ _tag, ...event }: Observed<RelayEvent>): ServerEvent =>
  ({ type: TYPES[_tag], ...event }) as ServerEvent

const run = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => unwrap(await Effect.runPromiseExit(effect))

/** The value of an exit; throws an ordinary error for a failure. */
const unwrap = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  const cause = Cause.squash(exit.cause)
  throw new Error(cause instanceof Error ? cause.message : String(cause), { cause })
}
