/**
 * The place where a host program looks at every line before it is relayed, and may change it, send it to some only, refuse it,
 * or end its sender: authentication, moderation and routing without a fork of the server.
 *
 * Lines come here after the rate limit and before everything else. The default relays them all and is not even asked.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

/** What becomes of a line. */
export type Decision =
  | {
      readonly _tag: "Relay"
      /** Relayed in its place; unpaired surrogates become U+FFFD. */
      readonly content?: string | undefined
      /** Which other clients get it, by address; all, if it is left out. */
      readonly to?: ((address: string) => boolean) | undefined
    }
  | {
      readonly _tag: "Refuse"
      /** What its sender is told. */
      readonly notice?: string | undefined
    }
  | {
      readonly _tag: "Disconnect"
      /** What its sender is told. */
      readonly notice?: string | undefined
      /** Whether the sender has to stay out for `quarantine_cooldown_secs`. */
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
 * @param notice what the sender is told, as with `RelayServer.send`; nothing, if it is left out
 */
export const refuse = (notice?: string): Decision => ({ _tag: "Refuse", notice })

/** Does not relay the line, and ends its sender. */
export const disconnect = (
  options: { readonly notice?: string | undefined; readonly quarantine?: boolean | undefined } = {}
): Decision => ({ _tag: "Disconnect", ...options })

/** Who sends. */
export interface Sender {
  /** `ip:port` */
  readonly address: string
  readonly ip: string
  /** How it has come: `tcp`, `websocket`. */
  readonly transport: string
  /** Whose certificate it has shown, where it was asked for one: `CN=agent-7,O=Example`. */
  readonly subject?: string | undefined
}

/**
 * Decides on one client's lines, one after the other. Its next line is not read before the decision, and no other client waits for
 * it. Whoever is still waiting after `client_timeout_secs` is closed as idle; in a profile without that, and for Effects that cannot
 * be interrupted, the program has to set a limit itself. A defect ends the client, with the cause in the log; its line is not relayed.
 */
export type Gate = (line: string) => Effect.Effect<Decision>

/**
 * Makes the gate of a client that has just connected, before its first line is read. The gate may keep what it knows of its client:
 * whether it has logged in, what it may say. The scope ends with the client.
 */
export type Open = (client: Sender) => Effect.Effect<Gate, never, Scope.Scope>

/** How gates are made; `undefined`, the default, relays every line. */
export const MessageFilter = Context.Reference<Open | undefined>("summoner-server/MessageFilter", {
  defaultValue: () => undefined
})

/** Lines are decided on one by one, whoever sends them. */
export const layerGate = (decide: (line: string, client: Sender) => Effect.Effect<Decision>): Layer.Layer<never> =>
  layer((client) => Effect.succeed((line) => decide(line, client)))

/** Lines are decided on by the gates that `open` makes, one for each client. */
export const layer = (open: Open): Layer.Layer<never> => Layer.succeed(MessageFilter, open)

/** The same for gates that need services, or memory of their own. */
export const layerEffect = <E, R>(open: Effect.Effect<Open, E, R>): Layer.Layer<never, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(MessageFilter, open)
