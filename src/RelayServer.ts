import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as TcpListener from "./listen/TcpListener.ts"
import { Backpressure } from "./relay/Backpressure.ts"
import { Broadcaster } from "./relay/Broadcaster.ts"
import type { ClientInfo } from "./relay/Client.ts"
import { ClientLimits } from "./relay/ClientLimits.ts"
import * as Door from "./relay/Door.ts"
import type { Observed } from "./relay/Feed.ts"
import { IdleTimeout } from "./relay/IdleTimeout.ts"
import { canonicalAddress, canonicalIp, formatAddress } from "./relay/ipAddress.ts"
import { type BoundAddress, Listener } from "./relay/Listener.ts"
import * as Notice from "./relay/Notice.ts"
import { type Entry, Quarantine } from "./relay/Quarantine.ts"
import { RateLimiter } from "./relay/RateLimiter.ts"
import { Sender } from "./relay/Room.ts"
import type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./relay/Roster.ts"
import * as Session from "./relay/Session.ts"
import { type Options, profileOf, ServerConfig } from "./ServerConfig.ts"

export type { ClientInfo, ClientState } from "./relay/Client.ts"
export type { Entry } from "./relay/Quarantine.ts"
export type { Observed } from "./relay/Feed.ts"
export type { Incident, Totals } from "./relay/Incidents.ts"
export { type BoundAddress, ListenError } from "./relay/Listener.ts"
export type { ClientChange, RelayedMessage, RelayEvent, Stats } from "./relay/Roster.ts"

/** No client of that address is in the room. */
export class ClientNotFound extends Schema.TaggedError<ClientNotFound>()("ClientNotFound", {
  address: Schema.String
}) {
  override get message() {
    return `no client ${JSON.stringify(this.address)} is connected; expected the ip:port of one that is`
  }
}

/** A message or notice of the host program cannot be sent. */
export class MessageRejected extends Schema.TaggedError<MessageRejected>()("MessageRejected", {
  /**
   * `too long`: it would exceed `max_line_bytes`, or a notice 64 KiB. `not Unicode`: it has an unpaired surrogate. `not read`: the client
   * has not read earlier notices, and gets no more for now.
   */
  reason: Schema.Literals(["too long", "not Unicode", "not read"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A quarantine cannot be changed as asked. */
export class QuarantineRejected extends Schema.TaggedError<QuarantineRejected>()("QuarantineRejected", {
  reason: Schema.Literals(["disabled", "not an address"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Everything on: the seed's Rust backend. */
const rustProfile = Layer.mergeAll(
  RateLimiter.layerFixedWindow,
  Backpressure.layer,
  IdleTimeout.layer,
  Quarantine.layer
)

/** The plain relay: the seed's Python backend. */
const pythonProfile = Layer.mergeAll(
  RateLimiter.layerUnlimited,
  Backpressure.layerDisabled,
  IdleTimeout.layerDisabled,
  Quarantine.layerDisabled
)

const profile = Layer.unwrap(
  Effect.map(ServerConfig, (config) => (profileOf(config.version) === "python" ? pythonProfile : rustProfile))
)

/**
 * The whole server as one Layer. It listens once the Layer is built; when its scope ends it stops accepting, delivers what
 * it has accepted, tells every client and closes (contract, section 3, "Shutdown").
 */
export class RelayServer extends Context.Service<
  RelayServer,
  {
    /** Where the server listens; the port is the real one where the configuration says 0. */
    readonly address: BoundAddress

    /** Everybody in the room, at this moment. */
    readonly clients: Effect.Effect<ReadonlyArray<ClientInfo>>
    /**
     * What happens to clients, beginning with a `Connected` for each that is in the room. A consumer that falls behind by 1,024
     * loses the oldest, and is told how many by `missed`; then `clients` has the truth. Ends with the server.
     */
    readonly changes: Stream.Stream<Observed<ClientChange>>
    /**
     * Every line from now on, when it is relayed. A consumer that falls behind by 1,024 loses the oldest, and is told how many
     * by `missed`; it never slows the relay. Ends with the server.
     */
    readonly messages: Stream.Stream<Observed<RelayedMessage>>
    /** Both of them in one, in the order in which things happened. */
    readonly events: Stream.Stream<Observed<RelayEvent>>

    /**
     * Sends a message to every client. Waits, as clients do, while a slow reader holds up the room.
     *
     * @param content any text; line breaks in it are escaped in the envelope and arrive as they are
     * @param options `from`: the `remote_addr` that clients see; by default the server's own `host:port`
     */
    readonly broadcast: (
      content: string,
      options?: { readonly from?: string | undefined }
    ) => Effect.Effect<void, MessageRejected>
    /**
     * Sends one client a notice: a plain line that begins with `Warning: `, which is put before the text if it is not there.
     * Line breaks in it become spaces. Agents in the field show notices they do not know, or die of them.
     *
     * @param address `ip:port`
     */
    readonly send: (address: string, notice: string) => Effect.Effect<void, ClientNotFound | MessageRejected>
    /**
     * Ends one client: what is on its way to it is delivered, then it is told and closed.
     *
     * @param address `ip:port`
     * @param options `notice`: what it is told, as with `send`; `quarantine`: whether it has to stay out for
     *   `quarantine_cooldown_secs`, in profiles with a quarantine
     */
    readonly disconnect: (
      address: string,
      options?: { readonly notice?: string | undefined; readonly quarantine?: boolean | undefined }
    ) => Effect.Effect<void, ClientNotFound | MessageRejected>

    /** Who has to stay out. Clients that are connected stay. A key is an IP address, or `ip:port` as `quarantine_scope` says. */
    readonly quarantine: {
      readonly list: Effect.Effect<ReadonlyArray<Entry>>
      /** Keeps somebody out for `quarantine_cooldown_secs` from now on. */
      readonly add: (key: string) => Effect.Effect<void, QuarantineRejected>
      /** Lets somebody in again. `false`: nobody of this key was kept out. */
      readonly lift: (key: string) => Effect.Effect<boolean>
    }

    /** What the server has done since it was started. */
    readonly stats: Effect.Effect<Stats>
  }
>()("summoner-server/RelayServer") {
  /**
   * The server over services that you provide: `Layer.provide` the ones of your own first, then `layerServices` for the rest.
   * Services given to two servers of one program need `Layer.fresh`, or the servers share them. Fails with `ListenError`.
   */
  static readonly layerNoDeps = Layer.effect(
    RelayServer,
    Effect.gen(function* () {
      const { max_line_bytes } = (yield* ServerConfig).hyper_parameters
      const broadcaster = yield* Broadcaster
      const quarantine = yield* Quarantine
      const listener = yield* Listener
      const session = yield* Session.make
      const context = yield* Effect.context<never>()
      const { roster } = session
      let isListening = false
      yield* Effect.addFinalizer(() => (isListening ? Effect.logInfo("shutdown complete") : Effect.void))
      const address = yield* listener.listen(yield* Door.make(session.run, roster.totals))
      isListening = true
      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.logInfo(`shutting down, clients connected: ${broadcaster.sizeUnsafe()}`),
          session.beginShutdown
        )
      )
      const name = formatAddress(address.host, address.port)
      yield* Effect.logInfo(`listening on ${name}`)

      const find = (address: string) => {
        const client = roster.find(address)
        return client === undefined ? Effect.fail(new ClientNotFound({ address })) : Effect.succeed(client)
      }
      const checkNotice = (text: string) => {
        const problem = Notice.problemOf(text, max_line_bytes)
        return problem === undefined ? Effect.void : Effect.fail(new MessageRejected(problem))
      }
      /** The key of a client in the form in which the quarantine has it. */
      const keyOf = (text: string) => (quarantine.scope === "ip" ? canonicalIp(text) : canonicalAddress(text))
      const present = () => roster.clients.map((client) => ({ _tag: "Connected" as const, client }))

      return RelayServer.of({
        address,
        clients: Effect.sync(() => roster.clients),
        changes: roster.changes.stream(present),
        messages: roster.messages.stream(),
        events: roster.events.stream(present),
        broadcast: Effect.fnUntraced(function* (content, { from = name } = {}) {
          if (!(content + from).isWellFormed()) {
            const detail = "the message has an unpaired surrogate; expected Unicode text"
            return yield* new MessageRejected({ reason: "not Unicode", detail })
          }
          while (broadcaster.isCongestedUnsafe()) yield* broadcaster.uncongested
          const bytes = Buffer.from(content)
          if (!broadcaster.publishUnsafe(new Sender(from), bytes, 0, bytes.length)) {
            const detail = `the message has ${bytes.length} bytes; its envelope may have ${max_line_bytes} (max_line_bytes)`
            return yield* new MessageRejected({ reason: "too long", detail })
          }
          session.noteRelayed(from, bytes, 0, bytes.length)
        }),
        send: Effect.fnUntraced(function* (address, notice) {
          yield* checkNotice(notice)
          const client = yield* find(address)
          // What was relayed before comes before it.
          broadcaster.flushUnsafe()
          if (client.tell(Notice.fromText(notice)) > 0) {
            const detail = `${address} has not read the notices it got before`
            return yield* new MessageRejected({ reason: "not read", detail })
          }
        }),
        disconnect: Effect.fnUntraced(function* (address, options = {}) {
          if (options.notice !== undefined) yield* checkNotice(options.notice)
          const client = yield* find(address)
          // Also when it is leaving already, for another reason.
          if (options.quarantine === true) quarantine.addUnsafe(client.connection)
          client.evict(session.dismissal(options))
        }),
        quarantine: {
          list: Effect.sync(quarantine.listUnsafe),
          add: Effect.fnUntraced(function* (key) {
            if (quarantine.scope === undefined) {
              const detail = "nobody can be quarantined: this profile has no quarantine"
              return yield* new QuarantineRejected({ reason: "disabled", detail })
            }
            const known = keyOf(key)
            if (known === undefined) {
              const expected = quarantine.scope === "ip" ? "an IP address" : "ip:port"
              const detail = `${JSON.stringify(key)} cannot be quarantined: expected ${expected} (quarantine_scope is "${quarantine.scope}")`
              return yield* new QuarantineRejected({ reason: "not an address", detail })
            }
            quarantine.addKeyUnsafe(known)
            // In the server's log, whoever asks.
            yield* Effect.provideContext(Effect.logInfo(`${known} quarantined by the application`), context)
          }),
          lift: (key) => Effect.sync(() => quarantine.liftUnsafe(key) || quarantine.liftUnsafe(keyOf(key) ?? key))
        },
        stats: Effect.sync(() => roster.stats)
      })
    })
  )

  /** The services that the configuration asks for: TCP, and the protections of the profile. */
  static readonly layerServices = Layer.mergeAll(profile, ClientLimits.layer, Broadcaster.layer, TcpListener.layer)

  /** The server that the `ServerConfig` describes. Fails with `ListenError`. */
  static readonly layerConfig = Layer.fresh(this.layerNoDeps.pipe(Layer.provide(this.layerServices)))

  /**
   * A server. It logs through the loggers of the host program; `RelayLogger.layerConfig` is for a log in the forms of
   * `server.json`.
   *
   * @param options in the form of a `server.json`; what is left out has its default there
   * @returns fails with `ConfigError`, which says everything that is wrong with the options, or `ListenError`
   */
  static readonly layer = (options: Options = {}) =>
    this.layerConfig.pipe(Layer.provide(ServerConfig.layerValue(options, "RelayServer.layer")))
}
