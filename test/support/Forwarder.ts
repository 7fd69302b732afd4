import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Net from "node:net"

export interface Forwarder {
  readonly port: number
  /** Forwards further connections to this port of this machine, at `127.0.0.1` by default; `undefined` closes them. */
  readonly target: (port: number | undefined, host?: string) => void
  /** Stops reading from the servers: their clients hear nothing until `release`. */
  readonly hold: () => void
  readonly release: () => void
  /** Those that are open to servers. */
  readonly connections: () => number
}

/**
 * An address that stays while servers behind it come and go, until the scope closes. A port that a server has freed may be taken by
 * another process before the next server listens.
 */
export const make: Effect.Effect<Forwarder, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<Forwarder & { readonly close: () => void }>((resume) => {
    let target: Net.TcpNetConnectOpts | undefined
    const sockets = new Set<Net.Socket>()
    /** Each with its client. */
    const upstreams = new Map<Net.Socket, Net.Socket>()
    const server = Net.createServer({ allowHalfOpen: true }, (client) => {
      if (target === undefined) return void client.destroy()
      const upstream = Net.connect({ ...target, allowHalfOpen: true })
      upstreams.set(upstream, client)
      upstream.on("close", () => upstreams.delete(upstream))
      for (const [from, to] of [
        [client, upstream],
        [upstream, client]
      ] as const) {
        sockets.add(from)
        from.on("error", () => to.destroy()).on("close", () => sockets.delete(from))
        from.pipe(to)
      }
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      const close = () => {
        server.close()
        for (const socket of sockets) socket.destroy()
      }
      const setTarget = (port: number | undefined, host = "127.0.0.1") => {
        target = port === undefined ? undefined : { port, host }
      }
      const hold = () => {
        for (const [upstream, client] of upstreams) upstream.unpipe(client).pause()
      }
      const release = () => {
        for (const [upstream, client] of upstreams) upstream.pipe(client)
      }
      resume(Effect.succeed({ port, target: setTarget, hold, release, connections: () => upstreams.size, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)
