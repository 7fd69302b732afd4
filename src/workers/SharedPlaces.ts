import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ServerConfig } from "../config/ServerConfig.ts"
import { type Arriving, ClientLimits } from "../limits/ClientLimits.ts"
import { hasCapacity, isWebSocket } from "../limits/hasCapacity.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import * as Frames from "./Frames.ts"
import { Mesh } from "./Mesh.ts"

/** Clients of one worker. */
class ConnectionCounts {
  clients = 0
  webSockets = 0
  readonly ips = new Map<string, number>()

  change(client: Arriving, by: number): void {
    this.clients += by
    if (isWebSocket(client)) this.webSockets += by
    const ofIp = (this.ips.get(client.ip) ?? 0) + by
    if (ofIp === 0) this.ips.delete(client.ip)
    else this.ips.set(client.ip, ofIp)
  }
}

/** What a worker tells of its clients: how many there are, and how many of each IP address that has changed. */
interface Told {
  readonly clients: number
  readonly webSockets: number
  readonly ips: ReadonlyArray<readonly [ip: string, clients: number]>
}

/**
 * The places of all workers together: the limits on clients hold for the server. Workers tell each other of every client
 * that comes or goes; what comes at two of them within the same millisecond may be a few more than the limit.
 */
class SharedPlaces extends Context.Service<
  SharedPlaces,
  {
    readonly limits: ClientLimits["Service"]
    /** Clients of the other workers. */
    readonly othersUnsafe: () => number
  }
>()("summoner-server/SharedPlaces") {
  static readonly layer = Layer.effect(
    SharedPlaces,
    Effect.gen(function* () {
      const mesh = yield* Mesh
      const config = yield* ServerConfig
      const own = new ConnectionCounts()
      const others = new Map<number, ConnectionCounts>()
      let othersClients = 0
      /** Of whom the others do not know yet. */
      const changed = new Set<string>()
      /** Workers that were stuck and are to be told everything. */
      const behind = new Set<number>()

      const told = (ips: Iterable<string>) =>
        JSON.stringify({
          clients: own.clients,
          webSockets: own.webSockets,
          ips: Array.from(ips, (ip) => [ip, own.ips.get(ip) ?? 0] as const)
        } satisfies Told)
      const tellAll = (id: number) => {
        behind.delete(id)
        for (const stuck of mesh.tellUnsafe(Frames.PLACES, told(own.ips.keys()), id)) behind.add(stuck)
      }
      const tellChanged = () => {
        const message = told(changed)
        changed.clear()
        for (const stuck of mesh.tellUnsafe(Frames.PLACES, message)) behind.add(stuck)
      }
      const change = (client: Arriving, by: number) => {
        own.change(client, by)
        if (changed.size === 0) setImmediate(tellChanged)
        changed.add(client.ip)
      }
      const learn = (from: number, { clients, ips, webSockets }: Told) => {
        const known = others.get(from) ?? new ConnectionCounts()
        others.set(from, known)
        othersClients += clients - known.clients
        known.clients = clients
        known.webSockets = webSockets
        for (const [ip, count] of ips) {
          if (count === 0) known.ips.delete(ip)
          else known.ips.set(ip, count)
        }
      }
      const forget = (id: number) => {
        behind.delete(id)
        othersClients -= others.get(id)?.clients ?? 0
        others.delete(id)
      }

      mesh.observeUnsafe({
        onUp: tellAll,
        onDown: forget,
        onTold: (kind, content, from) => {
          if (kind === Frames.PLACES) learn(from, JSON.parse(content) as Told)
        },
        onCaughtUp: (id) => {
          if (behind.has(id)) tellAll(id)
        }
      })
      for (const { id } of mesh.linksUnsafe()) tellAll(id)

      return SharedPlaces.of({
        limits: {
          enterUnsafe: (client) => {
            const all = [own, ...others.values()]
            const sum = (of: (counts: ConnectionCounts) => number) =>
              all.reduce((total, counts) => total + of(counts), 0)
            const counts = {
              clients: sum(({ clients }) => clients),
              webSockets: sum(({ webSockets }) => webSockets),
              ofIp: sum(({ ips }) => ips.get(client.ip) ?? 0)
            }
            if (!hasCapacity(client, counts, config)) return false
            change(client, 1)
            return true
          },
          leaveUnsafe: (client) => change(client, -1),
          maxClientsUnsafe: () => config.hyper_parameters.max_clients
        },
        othersUnsafe: () => othersClients
      })
    })
  )
}

/** A room whose size is that of all workers: what the log counts, and what backpressure goes by. */
const wholeRoom = Layer.effect(
  Broadcaster,
  Effect.gen(function* () {
    const { othersUnsafe } = yield* SharedPlaces
    const broadcaster = yield* Broadcaster
    return Broadcaster.of({ ...broadcaster, sizeUnsafe: () => broadcaster.sizeUnsafe() + othersUnsafe() })
  })
).pipe(Layer.provide(Broadcaster.layer))

/** Limits and room of a worker, which count the clients of all. */
export const layer = Layer.mergeAll(
  Layer.effect(
    ClientLimits,
    Effect.map(SharedPlaces, ({ limits }) => limits)
  ),
  wholeRoom
).pipe(Layer.provide(SharedPlaces.layer))
