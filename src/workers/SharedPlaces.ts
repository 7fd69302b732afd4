import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Broadcaster } from "../relay/Broadcaster.ts"
import { ClientLimits } from "../relay/ClientLimits.ts"
import { ServerConfig } from "../ServerConfig.ts"
import * as Frames from "./Frames.ts"
import { Mesh } from "./Mesh.ts"

/** What a worker tells of its clients: how many there are, and how many of each IP address that has changed. */
interface Told {
  readonly clients: number
  readonly ips: ReadonlyArray<readonly [ip: string, clients: number]>
}

/** The clients of one other worker. */
interface Others {
  clients: number
  readonly ips: Map<string, number>
}

/**
 * The places of all workers together: `max_clients` and `max_clients_per_ip` hold for the server. Workers tell each other of every client
 * that comes or goes; what comes at two of them within the same millisecond may be a few more than the limit.
 */
class Places extends Context.Service<
  Places,
  {
    readonly limits: ClientLimits["Service"]
    /** Clients of the other workers. */
    readonly othersUnsafe: () => number
  }
>()("summoner-server/Places") {
  static readonly layer = Layer.effect(
    Places,
    Effect.gen(function* () {
      const mesh = yield* Mesh
      const { hyper_parameters } = yield* ServerConfig
      const own: Others = { clients: 0, ips: new Map() }
      const others = new Map<number, Others>()
      let othersClients = 0
      const othersIps = new Map<string, number>()
      /** Of whom the others do not know yet. */
      const changed = new Set<string>()
      /** Workers that were stuck and are to be told everything. */
      const behind = new Set<number>()

      const told = (ips: Iterable<string>) =>
        JSON.stringify({
          clients: own.clients,
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
      const change = (ip: string, by: number) => {
        own.clients += by
        add(own.ips, ip, by)
        if (changed.size === 0) setImmediate(tellChanged)
        changed.add(ip)
      }
      const learn = (from: number, { clients, ips }: Told) => {
        const known = others.get(from) ?? { clients: 0, ips: new Map() }
        others.set(from, known)
        othersClients += clients - known.clients
        known.clients = clients
        for (const [ip, count] of ips) {
          const by = count - (known.ips.get(ip) ?? 0)
          add(known.ips, ip, by)
          add(othersIps, ip, by)
        }
      }
      const forget = (id: number) => {
        behind.delete(id)
        const known = others.get(id)
        if (known === undefined) return
        learn(id, { clients: 0, ips: Array.from(known.ips.keys(), (ip) => [ip, 0] as const) })
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

      return Places.of({
        limits: {
          enterUnsafe: (ip) => {
            const { max_clients, max_clients_per_ip } = hyper_parameters
            if (own.clients + othersClients >= max_clients) return false
            const fromIp = (own.ips.get(ip) ?? 0) + (othersIps.get(ip) ?? 0)
            if (max_clients_per_ip !== null && fromIp >= max_clients_per_ip) return false
            change(ip, 1)
            return true
          },
          leaveUnsafe: (ip) => change(ip, -1),
          maxClientsUnsafe: () => hyper_parameters.max_clients
        },
        othersUnsafe: () => othersClients
      })
    })
  )
}

const add = (counts: Map<string, number>, ip: string, by: number): void => {
  const count = (counts.get(ip) ?? 0) + by
  if (count === 0) counts.delete(ip)
  else counts.set(ip, count)
}

/** A room whose size is that of all workers: what the log counts, and what backpressure goes by. */
const wholeRoom = Layer.effect(
  Broadcaster,
  Effect.gen(function* () {
    const { othersUnsafe } = yield* Places
    const broadcaster = yield* Broadcaster
    return Broadcaster.of({ ...broadcaster, sizeUnsafe: () => broadcaster.sizeUnsafe() + othersUnsafe() })
  })
).pipe(Layer.provide(Broadcaster.layer))

/** Limits and room of a worker, which count the clients of all. */
export const layer = Layer.mergeAll(
  Layer.effect(
    ClientLimits,
    Effect.map(Places, ({ limits }) => limits)
  ),
  wholeRoom
).pipe(Layer.provide(Places.layer))
