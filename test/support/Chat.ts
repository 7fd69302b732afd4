/** The chat that a relay serves to browsers: a file of the built package. */
import * as Effect from "effect/Effect"
import * as Server from "./Server.ts"

const BUILT = new URL("../../dist/RelayServer.js", import.meta.url).href

export interface Config {
  readonly websocket?: object
  readonly [group: string]: unknown
}

/** Starts a relay that serves the chat; the address of its WebSocket port is `url`. */
export const start = Effect.fnUntraced(function* (config: Config = {}) {
  const { RelayServer } = yield* Effect.promise<{ readonly RelayServer: Server.Relays }>(() => import(BUILT))
  const websocket = { port: 0, page: true, ...config.websocket }
  const server = yield* Server.start({ ...config, websocket }, {}, RelayServer)
  return { ...server, url: server.relay.webSocketUrl! }
})
