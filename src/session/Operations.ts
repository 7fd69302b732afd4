import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import { ServerConfig } from "../config/CurrentConfig.ts"
import type { Observed } from "../internal/EventFeed.ts"
import { type Entry, Quarantine } from "../limits/Quarantine.ts"
import { canonicalAddress, canonicalIp, formatAddress } from "../net/IpAddress.ts"
import { show } from "../config/redact.ts"
import * as Notice from "../protocol/Notice.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import type { WholeRoom } from "../room/Bus.ts"
import type { ClientInfo } from "../room/ClientInfo.ts"
import { Cluster } from "../room/Cluster.ts"
import * as DisconnectReason from "../room/DisconnectReason.ts"
import { Sender } from "../room/Room.ts"
import {
  type ClientChange,
  ClientRegistry,
  type RelayedMessage,
  type RelayEvent,
  type Stats
} from "./ClientRegistry.ts"
import { ClientNotFound, MessageRejected, QuarantineRejected } from "./OperationErrors.ts"
import { makeDrain, type ServerState, ServerStatus } from "./ServerStatus.ts"

export type { ServerState } from "./ServerStatus.ts"

/** How a message is sent. */
export interface BroadcastOptions {
  /** The `remote_addr` that clients see; by default the server's own `host:port`. */
  readonly from?: string | undefined
  /** The `ip:port` of the client that gets the message, or of those who do; by default all in the room. */
  readonly to?: string | ReadonlyArray<string> | undefined
}

/** What a host program or an operator can do with a running server. */
export interface Operations {
  readonly state: Effect.Effect<ServerState>
  /** Takes no new clients from now on; connected clients stay. For a load balancer, before a shutdown. */
  readonly drain: Effect.Effect<void>
  /** Takes new clients again. */
  readonly undrain: Effect.Effect<void>

  /** The clients in the room. */
  readonly clients: Effect.Effect<ReadonlyArray<ClientInfo>>
  /**
   * Changes of clients, beginning with a `Connected` for each client in the room. A consumer that falls behind by 1,024 events loses
   * the oldest: `missed` says how many, and `clients` has the present state. Ends with the server.
   */
  readonly changes: Stream.Stream<Observed<ClientChange>>
  /**
   * Every line from now on, when it is relayed. A consumer that falls behind by 1,024 lines loses the oldest: `missed` says how
   * many. It never slows the relay. Ends with the server.
   */
  readonly messages: Stream.Stream<Observed<RelayedMessage>>
  /** `changes` and `messages` in one stream, in order. */
  readonly events: Stream.Stream<Observed<RelayEvent>>

  /**
   * Sends a message to every client in the room, or to some. Waits, as clients do, while a slow reader holds up the room.
   *
   * @param content any text; line breaks in it are escaped in the envelope and arrive as they are
   * @param options `from`: the `remote_addr` that clients see; by default the server's own `host:port`. `to`: the `ip:port` of the client
   *   that gets the message, or of those who do; by default all
   * @returns fails with `ClientNotFound` for an address in `to` that is not in the room; the others have got the message then
   */
  readonly broadcast: (
    content: string,
    options?: BroadcastOptions
  ) => Effect.Effect<void, ClientNotFound | MessageRejected>
  /**
   * Sends one client a notice: a plain line that begins with `Warning: `, which is put before the text if it is not there.
   * Line breaks in it become spaces. Clients show notices that they do not know, or fail on them.
   *
   * @param address `ip:port`
   */
  readonly send: (address: string, notice: string) => Effect.Effect<void, ClientNotFound | MessageRejected>
  /**
   * Disconnects one client, after sending it what waits and a notice.
   *
   * @param address `ip:port`
   * @param options `notice`: its text, as with `send`; `quarantine`: whether the client is quarantined for
   *   `quarantine_cooldown_secs`. Without a quarantine, that fails with `QuarantineRejected` and the client stays
   */
  readonly disconnect: (
    address: string,
    options?: DisconnectReason.DisconnectOptions
  ) => Effect.Effect<void, ClientNotFound | MessageRejected | QuarantineRejected>

  /** The quarantine for new connections. A key is an IP address, or an `ip:port`, as `quarantine_scope` says. */
  readonly quarantine: {
    readonly list: Effect.Effect<ReadonlyArray<Entry>>
    /** Quarantines a key for `quarantine_cooldown_secs` from now on. */
    readonly add: (key: string) => Effect.Effect<void, QuarantineRejected>
    /** Releases a key. `false`: it was not quarantined. */
    readonly lift: (key: string) => Effect.Effect<boolean>
  }

  /** Counts since the start of the server. */
  readonly stats: Effect.Effect<Stats>

  /** The room across processes (docs/scaling.md#several-machines). All else here, except the quarantine, is about this process alone. */
  readonly cluster: WholeRoom
}

/** The operations of a server. */
export const Operations: Context.Service<Operations, Operations> = Context.Service("summoner-server/Operations")

/** Operations of this process, and of the room as its `Cluster` knows it. */
export const layer = Layer.effect(
  Operations,
  Effect.gen(function* () {
    const { max_line_bytes } = (yield* ServerConfig).hyper_parameters
    const broadcaster = yield* Broadcaster
    const quarantine = yield* Quarantine
    const registry = yield* ClientRegistry
    const status = yield* ServerStatus
    const cluster = yield* Cluster
    const context = yield* Effect.context<never>()
    /** Logs in the server's log, in whichever fiber. */
    const log = (message: string) => Effect.provideContext(Effect.logInfo(message), context)
    /** The server's own name in envelopes. */
    const name = () => (status.address === undefined ? "" : formatAddress(status.address.host, status.address.port))

    const find = (address: string) => {
      const client = registry.findUnsafe(address)
      return client === undefined ? Effect.fail(new ClientNotFound({ address })) : Effect.succeed(client)
    }
    const memberOf = (address: string) => {
      const client = registry.findUnsafe(address)
      return client?.isInRoom === true ? [client.member] : []
    }
    const checkNotice = (text: string) => {
      const problem = Notice.problemOf(text, max_line_bytes)
      return problem === undefined ? Effect.void : Effect.fail(new MessageRejected(problem))
    }
    const checkQuarantine = Effect.suspend(() => {
      if (quarantine.cooldownMillisUnsafe() > 0) return Effect.void
      const why = quarantine.scope === undefined ? "this profile has no quarantine" : "quarantine_cooldown_secs is 0"
      return Effect.fail(new QuarantineRejected({ reason: "disabled", detail: `nobody can be quarantined: ${why}` }))
    })
    /** The key of a client in the form in which the quarantine has it. */
    const keyOf = (text: string) => (quarantine.scope === "ip" ? canonicalIp(text) : canonicalAddress(text))

    return {
      state: Effect.sync(() => status.state),
      ...(yield* makeDrain()),
      clients: Effect.sync(registry.clientsUnsafe),
      changes: registry.changes,
      messages: registry.messages,
      events: registry.events,
      broadcast: Effect.fnUntraced(function* (content, { from = name(), to } = {}) {
        if (!(content + from).isWellFormed()) {
          const detail = "the message has an unpaired surrogate; expected Unicode text"
          return yield* new MessageRejected({ reason: "not Unicode", detail })
        }
        while (broadcaster.isCongestedUnsafe()) yield* broadcaster.uncongested
        const bytes = Buffer.from(content)
        const sender = new Sender(from)
        const addresses = to === undefined ? undefined : new Set(typeof to === "string" ? [to] : to)
        const recipients = addresses && Array.from(addresses).flatMap(memberOf)
        const isRelayed =
          recipients === undefined
            ? broadcaster.publishUnsafe(sender, bytes, 0, bytes.length)
            : broadcaster.publishToUnsafe(recipients, sender, bytes, 0, bytes.length)
        if (!isRelayed) {
          const detail = `the message has ${bytes.length} bytes; its envelope may have ${max_line_bytes} (max_line_bytes)`
          return yield* new MessageRejected({ reason: "too long", detail })
        }
        if (recipients === undefined || recipients.length > 0) {
          registry.relayedUnsafe(from, bytes, 0, bytes.length, recipients)
        }
        const absent = addresses && Array.from(addresses).find((address) => memberOf(address).length === 0)
        if (absent !== undefined) return yield* new ClientNotFound({ address: absent })
      }),
      send: Effect.fnUntraced(function* (address, notice) {
        yield* checkNotice(notice)
        const client = yield* find(address)
        // Lines relayed before arrive before it.
        broadcaster.flushUnsafe()
        if (client.notify(Notice.fromText(notice)) > 0) {
          const detail = `${address} has not read the notices it got before`
          return yield* new MessageRejected({ reason: "not read", detail })
        }
      }),
      disconnect: Effect.fnUntraced(function* (address, options = {}) {
        if (options.notice !== undefined) yield* checkNotice(options.notice)
        if (options.quarantine === true) yield* checkQuarantine
        const client = yield* find(address)
        // Also if it is leaving already, for another reason.
        if (options.quarantine === true) quarantine.addUnsafe(client.connection)
        client.disconnect(DisconnectReason.byApplication(options, quarantine.cooldownMillisUnsafe() > 0))
      }),
      quarantine: {
        list: Effect.sync(quarantine.listUnsafe),
        add: Effect.fnUntraced(function* (key) {
          yield* checkQuarantine
          const known = keyOf(key)
          if (known === undefined) {
            const form = quarantine.scope === "ip" ? "an IP address" : "ip:port"
            const expected = key.includes("%") ? `${form}, with a zone (%) only if it is link-local` : form
            const detail = `${show(key)} cannot be quarantined: expected ${expected} (quarantine_scope is "${quarantine.scope}")`
            return yield* new QuarantineRejected({ reason: "not an address", detail })
          }
          quarantine.addKeyUnsafe(known)
          yield* log(`${known} quarantined by the application`)
        }),
        lift: (key) => Effect.sync(() => quarantine.liftUnsafe(key) || quarantine.liftUnsafe(keyOf(key) ?? key))
      },
      stats: Effect.map(broadcaster.distributions, (distributions) => ({
        ...registry.statsUnsafe(),
        ...distributions,
        quarantined: quarantine.sizeUnsafe()
      })),
      cluster
    }
  })
)
