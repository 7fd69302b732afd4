/** The parts of a relay that a program may give instead of the standard ones. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { AdminServer } from "../admin/AdminServer.ts"
import { ServerConfig } from "../config/CurrentConfig.ts"
import { Backpressure } from "../limits/Backpressure.ts"
import { ClientLimits } from "../limits/ClientLimits.ts"
import { IdleTimeout } from "../limits/IdleTimeout.ts"
import { Quarantine } from "../limits/Quarantine.ts"
import { RateLimiter } from "../limits/RateLimiter.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import { Bus, type BusError } from "../room/Bus.ts"
import { Lifecycle } from "../session/Lifecycle.ts"
import { CurrentFilter } from "../session/LineFilter.ts"
import { type ListenError, Listener } from "../session/Listener.ts"
import type { Open } from "../session/MessageFilter.ts"
import { type TlsError, TlsIdentity } from "../transport/tls/TlsIdentity.ts"
import { WebSocketListener } from "../transport/websocket/WebSocketListener.ts"
import * as Relay from "./Relay.ts"

/** A Layer of a service. What it needs beside `ServerConfig`, the program provides. */
// oxlint-disable-next-line typescript/no-explicit-any
type Part<S> = Layer.Layer<S, any, any>

/** Parts that are used instead of those of the profile. What is left out, or `undefined`, is the standard part. */
export interface Parts {
  /** Decides on clients that connect and on their lines: the function itself, or an Effect that makes it. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly messageFilter?: Open | Effect.Effect<Open, any, any> | undefined
  /** How many lines a client may send. */
  readonly rateLimiter?: Part<RateLimiter> | undefined
  /** What a line does to its sender in a large room. */
  readonly backpressure?: Part<Backpressure> | undefined
  /** When a silent client is disconnected. */
  readonly idleTimeout?: Part<IdleTimeout> | undefined
  /** Which clients may not come back for now. */
  readonly quarantine?: Part<Quarantine> | undefined
  /** How many clients may be connected. */
  readonly clientLimits?: Part<ClientLimits> | undefined
  /** The room. */
  readonly broadcaster?: Part<Broadcaster> | undefined
  /** Accepts clients by TCP. */
  readonly listener?: Part<Listener> | undefined
  /** Accepts clients by WebSocket. */
  readonly webSocketListener?: Part<WebSocketListener> | undefined
  /** Carries lines to other processes. */
  readonly bus?: Part<Bus> | undefined
  /** Health, metrics and dashboard. */
  readonly adminServer?: Part<AdminServer> | undefined
  /** Announces start and shutdown. */
  readonly lifecycle?: Part<Lifecycle> | undefined
}

/** `P`, if it has members of `Known` only: one that is misspelled would be ignored. */
export type Exact<P, Known> = P & { readonly [K in keyof P]: K extends keyof Known ? unknown : never }

type LayersOf<P> = Extract<P[keyof P], Layer.Any>
type EffectOf<P> = P extends { readonly messageFilter: infer F }
  ? // oxlint-disable-next-line typescript/no-explicit-any
    Extract<F, Effect.Effect<any, any, any>>
  : never

/** What the parts fail with. */
export type ErrorOf<P> = Layer.Error<LayersOf<P>> | ([EffectOf<P>] extends [never] ? never : Effect.Error<EffectOf<P>>)

/** What the parts need from the program. */
export type ServicesOf<P> = Exclude<
  Layer.Services<LayersOf<P>> | ([EffectOf<P>] extends [never] ? never : Effect.Services<EffectOf<P>>),
  Scope.Scope | ServerConfig
>

/** What the parts have beside the services of the relay: `TestBroadcaster`, for example. */
export type ExtrasOf<P> = Exclude<Layer.Success<LayersOf<P>>, Service>

/** What a relay fails to start with. */
export type StartError = BusError | ListenError | TlsError

const services = {
  adminServer: AdminServer,
  backpressure: Backpressure,
  broadcaster: Broadcaster,
  bus: Bus,
  clientLimits: ClientLimits,
  idleTimeout: IdleTimeout,
  lifecycle: Lifecycle,
  listener: Listener,
  quarantine: Quarantine,
  rateLimiter: RateLimiter,
  webSocketListener: WebSocketListener
} as const

type Name = keyof typeof services
type Service = Context.Service.Identifier<(typeof services)[Name]>

const LAYERS = Object.keys(services) as ReadonlyArray<Name>

const NAMES: ReadonlyArray<keyof Parts> = ["messageFilter", ...LAYERS]

export const namesOf = (parts: Parts): ReadonlyArray<string> => NAMES.filter((name) => parts[name] !== undefined)

/**
 * Dies of what the server would ignore: a part that does not exist, or a service that is provided around the server.
 *
 * @param caller names the server in messages: `RelayServer.layer`
 * @param known names that `parts` may have beside those of parts
 * @param configured whether the server has a configuration of its own
 */
export const check = (caller: string, parts: Parts, known: ReadonlyArray<string>, configured: boolean) =>
  Effect.contextWith((context: Context.Context<never>) => {
    const names: ReadonlyArray<string> = [...NAMES, ...known]
    const unknown = Object.keys(parts).find((name) => !names.includes(name))
    if (unknown !== undefined) {
      return Effect.die(new TypeError(`${caller} has no part ${JSON.stringify(unknown)}; expected ${names.join(", ")}`))
    }
    const around = LAYERS.find((name) => context.mapUnsafe.has(services[name].key))
    if (around !== undefined) {
      const found = `${caller} would ignore the ${services[around].key} that is provided around it`
      return Effect.die(new Error(`${found}; give it as a part: ${caller}(options, { ${around}: ... })`))
    }
    if (configured && context.mapUnsafe.has(ServerConfig.key)) {
      const found = `${caller} would ignore the ${ServerConfig.key} that is provided around it`
      return Effect.die(new Error(`${found}; RelayServer.layerServerConfig() uses it`))
    }
    return Effect.void
  })

/** The parts that are given. Each server has its own: nothing is shared through Effect's memoization of Layers. */
const layerGiven = <const P extends Parts>(parts: P) => {
  const { messageFilter } = parts
  const filter =
    messageFilter === undefined
      ? Layer.empty
      : Effect.isEffect(messageFilter)
        ? Layer.effect(CurrentFilter, messageFilter)
        : Layer.succeed(CurrentFilter, messageFilter)
  const layers = LAYERS.flatMap((name) => parts[name] ?? [])
  return Layer.fresh(Layer.mergeAll(filter, Layer.succeed(Relay.GivenParts, namesOf(parts)), ...layers)) as Layer.Layer<
    Layer.Success<LayersOf<P>>,
    ErrorOf<P>,
    ServicesOf<P> | ServerConfig
  >
}

/** The standard parts in place of those that are not given. */
const layerStandard = (parts: Parts) =>
  Layer.mergeAll(
    TlsIdentity.layer,
    ...LAYERS.flatMap((name) => (parts[name] === undefined ? [Relay.standard[name]] : []))
  ) as Layer.Layer<Service | TlsIdentity, BusError | TlsError, ServerConfig>

/** A relay with these parts, and the standard ones for the others. */
export const layer = <const P extends Parts>(parts: P) =>
  Relay.layerNoDeps.pipe(
    Layer.provide(layerStandard(parts)),
    Layer.provideMerge(layerGiven(parts)),
    hideServices
  ) as Layer.Layer<Relay.Relay | ExtrasOf<P>, ErrorOf<P> | StartError, ServicesOf<P> | ServerConfig>

/** The services of the relay are its own: what is around another server is an error. */
const hideServices = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
  Layer.effectContext(Effect.map(Layer.build(layer), Context.omit(...Object.values(services))))
