/**
 * Lets a host program decide on every line before it is relayed: it may change the line, choose its recipients, refuse it, or disconnect
 * its sender. For authentication, moderation and routing.
 *
 * Lines come here after the rate limit and before everything else. The default relays them all at no cost.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/** What to do with a line. */
export type Decision =
  | {
      readonly _tag: "Relay"
      /** Relayed in its place; unpaired surrogates become U+FFFD. */
      readonly content?: string | undefined
      /** Which other clients get it, by address; by default all. */
      readonly to?: ((address: string) => boolean) | undefined
    }
  | {
      readonly _tag: "Refuse"
      /** Sent to its sender. */
      readonly notice?: string | undefined
    }
  | {
      readonly _tag: "Disconnect"
      /** Sent to its sender. */
      readonly notice?: string | undefined
      /** Whether the sender is quarantined for `quarantine_cooldown_secs`. */
      readonly quarantine?: boolean | undefined
    }

/** Relays the line, as it is or with changes. */
export const relay = (
  options: {
    readonly content?: string | undefined
    readonly to?: ((address: string) => boolean) | undefined
  } = {}
): Decision => ({ _tag: "Relay", ...options })

/**
 * Does not relay the line.
 *
 * @param notice sent to the sender, as with `RelayServer.send`; by default none
 */
export const refuse = (notice?: string): Decision => ({ _tag: "Refuse", notice })

/** Does not relay the line, and disconnects its sender. */
export const disconnect = (
  options: { readonly notice?: string | undefined; readonly quarantine?: boolean | undefined } = {}
): Decision => ({ _tag: "Disconnect", ...options })

/** The sender of a line. */
export interface Sender {
  /** `ip:port` */
  readonly address: string
  readonly ip: string
  /** Its transport: `tcp`, `websocket`. */
  readonly transport: string
  /** The subject of its verified certificate, if it has shown one: `CN=agent-7,O=Example`. */
  readonly subject?: string | undefined
}

/**
 * Decides on one client's lines, one after the other. The client's next line is not read before the decision; no other client waits.
 * A client that still waits after `client_timeout_secs` is disconnected as idle. In a profile without that limit, and for Effects that
 * cannot be interrupted, the program sets its own. A defect disconnects the client and is logged; the line is not relayed.
 */
export type Gate = (line: string) => Effect.Effect<Decision>

/**
 * Makes the gate of a client that has just connected, before its first line is read. The gate may keep state of its client, such as
 * whether it has logged in. The scope ends with the client.
 */
export type Open = (client: Sender) => Effect.Effect<Gate, never, Scope.Scope>

/** Makes gates; `undefined`, the default, relays every line. */
export const MessageFilter = Context.Reference<Open | undefined>("summoner-server/MessageFilter", {
  defaultValue: () => undefined
})

/** Decides on each line by itself. */
export const layerGate = (decide: (line: string, client: Sender) => Effect.Effect<Decision>): Layer.Layer<never> =>
  layer((client) => Effect.succeed((line) => decide(line, client)))

/** Decides on the lines of each client by a gate that `open` makes. */
export const layer = (open: Open): Layer.Layer<never> => Layer.succeed(MessageFilter, open)

/** As `layer`, for gates that need services, or state shared by all clients. */
export const layerEffect = <E, R>(open: Effect.Effect<Open, E, R>): Layer.Layer<never, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(MessageFilter, open)
