/**
 * Lets a host program decide on every client that connects and on every line before it is relayed: it may refuse a client, hold it outside
 * the room until it is admitted, change a line, choose its recipients, refuse it, or disconnect its sender. For authentication, moderation and
 * routing.
 *
 * A filter is a function, `Open`, and is given to a server as a part: `RelayServer.layer(options, { messageFilter })`. Lines come to it
 * after the rate limit and before everything else. Without one the server relays every line, at no cost.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import type { DisconnectOptions } from "../room/DisconnectReason.ts"
import type { Group } from "./Group.ts"

export type { ClientIdentity as Sender } from "../net/ClientIdentity.ts"
export { Group } from "./Group.ts"

/** Relays a line, as it is or with changes. */
export interface Relay {
  readonly _tag: "Relay"
  /** Relayed in its place; unpaired surrogates become U+FFFD. */
  readonly content?: string | undefined
  /** Which other clients get it: those of a group, or those whose address it accepts. By default all. */
  readonly to?: Group | ((address: string) => boolean) | undefined
}

/** Does not relay a line. */
export interface Refuse {
  readonly _tag: "Refuse"
  /** Sent to its sender. */
  readonly notice?: string | undefined
}

/** Disconnects a client. */
export interface Disconnect extends DisconnectOptions {
  readonly _tag: "Disconnect"
}

/** Lets a client into the room. */
export interface Admit {
  readonly _tag: "Admit"
  /** Sent to the client before any line of the room. */
  readonly notice?: string | undefined
}

/** What to do with a line. */
export type Decision = Relay | Refuse | Disconnect | Admit

/**
 * Relays the line, as it is or with changes.
 *
 * @param options `content`: relayed instead of the line; `to`: which other clients get it. Lines for the same `Group` cost no more than
 *   lines for all; a function is called for each client and line
 */
export const relay = (options: Omit<Relay, "_tag"> = {}): Relay => ({ _tag: "Relay", ...options })

/**
 * Does not relay the line.
 *
 * @param notice sent to the sender, as with `RelayServer.send`; by default none
 */
export const refuse = (notice?: string): Refuse => ({ _tag: "Refuse", notice })

/**
 * Disconnects the client: instead of relaying its line, or, from `Open`, on arrival.
 *
 * @param options `notice`: its last line; `quarantine`: whether it is quarantined for `quarantine_cooldown_secs`
 */
export const disconnect = (options: DisconnectOptions = {}): Disconnect => ({ _tag: "Disconnect", ...options })

/**
 * Lets a client that is held outside into the room. The line that earned it, a password for example, is not relayed. For a client in the
 * room it is as `refuse`.
 *
 * @param notice sent to the client before any line of the room; by default none
 */
export const admit = (notice?: string): Admit => ({ _tag: "Admit", notice })

/**
 * Decides on one client's lines, one after the other. The client's next line is not read before the decision; no other client waits.
 * A client that waits longer than `client_timeout_secs` is disconnected as idle, and one that waits longer than ten minutes in any profile.
 * Effects that cannot be interrupted need a limit of their own. A defect disconnects the client and is logged; the line is not relayed.
 */
export type Gate = (line: string) => Effect.Effect<Decision>

/** A client that stays outside the room until its gate decides `admit`. */
export interface Hold<G = Gate> {
  readonly _tag: "Hold"
  readonly gate: G
  /** How long it may take. */
  readonly within: Duration.Input
  /** The last line of a client that takes longer. */
  readonly notice: string | undefined
}

/** How long a client may be held outside the room by default. */
const HOLD = "30 seconds"

/**
 * Holds a client outside the room until its gate decides `admit`: nobody sees it come, it gets no line of the others, and none of its own is
 * relayed. A gate that decides `relay` before is a defect.
 *
 * @param gate decides on its lines, before and after it is admitted
 * @param options `within`: how long it may take to be admitted, 30 seconds by default; `notice`: the last line of a client that takes
 *   longer
 */
export const hold = <G extends Gate | PlainGate>(
  gate: G,
  options: { readonly within?: Duration.Input | undefined; readonly notice?: string | undefined } = {}
): Hold<G> => ({ _tag: "Hold", gate, within: options.within ?? HOLD, notice: options.notice })

/** What becomes of a client that has connected: a gate lets it into the room, and decides on its lines. */
export type Arrival<G = Gate> = G | Hold<G> | Disconnect

/**
 * Decides on a client that has just connected, before its first line is read and before it is in the room. It has ten minutes, as a
 * gate has. A gate may keep state of its client. The scope ends with the client.
 *
 * @example
 *   const open: Open = ({ subject }) =>
 *     Effect.succeed(subject === undefined ? disconnect({ notice: "No certificate." }) : () => Effect.succeed(relay()))
 */
export type Open = (client: ClientIdentity) => Effect.Effect<Arrival, never, Scope.Scope>

/**
 * A filter that admits every client and decides on each line by itself.
 *
 * @param decide gets the line and its sender
 */
export const gate =
  (decide: (line: string, client: ClientIdentity) => Effect.Effect<Decision>): Open =>
  (client) =>
    Effect.succeed((line) => decide(line, client))

/** As `Gate`, without Effect. */
export type PlainGate = (line: string) => Decision | Promise<Decision>

/**
 * As `Open`, without Effect.
 *
 * @param signal aborts when the client has gone
 */
export type PlainOpen = (
  client: ClientIdentity,
  signal: AbortSignal
) => Arrival<PlainGate> | Promise<Arrival<PlainGate>>

/** A filter of plain functions. What they throw is a defect of the filter: its client is disconnected, and the log says why. */
export const fromPlain =
  (open: PlainOpen): Open =>
  (client) =>
    Effect.gen(function* () {
      const { signal } = yield* Effect.acquireRelease(
        Effect.sync(() => new AbortController()),
        (controller) => Effect.sync(() => controller.abort())
      )
      const arrival = yield* settle(() => open(client, signal))
      if (typeof arrival === "function") return fromPlainGate(arrival)
      return arrival?._tag === "Hold" ? { ...arrival, gate: fromPlainGate(arrival.gate) } : arrival
    })

const fromPlainGate =
  (gate: PlainGate): Gate =>
  (line) =>
    settle(() => gate(line))

/** A promise costs a turn of the microtasks, so what is there already is not made one. */
const settle = <A>(make: () => A | PromiseLike<A>): Effect.Effect<A> =>
  Effect.suspend(() => {
    const made = make()
    return isPromise(made) ? Effect.promise(() => made) : Effect.succeed(made)
  })

const isPromise = <A>(value: A | PromiseLike<A>): value is PromiseLike<A> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"
