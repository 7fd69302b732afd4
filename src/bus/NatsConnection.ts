import type { ConnectionOptions, NatsConnection, PermissionViolationError } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { hostname } from "node:os"
import * as NatsUrl from "../config/NatsUrl.ts"
import type { ServerConfig } from "../config/ServerConfig.ts"
import { BusError } from "../room/Bus.ts"
import * as NatsFiles from "./NatsFiles.ts"

export type { NatsConnection } from "@nats-io/transport-node"

/** `cluster.nats` */
export type Options = ServerConfig["Service"]["cluster"]["nats"]

/** How long a server may take to accept a connection, and then to say what it allows, in milliseconds. */
export const CONNECT_MILLIS = 2000

/** Time between two pings of the server, in milliseconds. */
export const PING_MILLIS = 2000

/** How many pings may be unanswered. */
const UNANSWERED_PINGS = 3

/** The first and the longest pause between two attempts at a server, in milliseconds. */
const SHORTEST_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 2000

/** How long to wait before the next attempt, in milliseconds, after so many of trying: longer and longer, and not all at once. */
export const pauseMillis = (tryingMillis: number): number =>
  Math.min(LONGEST_PAUSE_MILLIS, SHORTEST_PAUSE_MILLIS + tryingMillis / 4) * (0.5 + Math.random() / 2)

/** The client library, which nobody without a cluster loads, or has to have. */
const library = Effect.tryPromise({
  try: () => import("@nats-io/transport-node"),
  catch: (cause) =>
    new BusError({
      detail:
        (cause as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND"
          ? "cluster.nats needs the package @nats-io/transport-node: npm install @nats-io/transport-node"
          : `cluster.nats: the package @nats-io/transport-node cannot be loaded: ${String(cause)}`
    })
})

/**
 * How to connect to the configured servers. Fails if a file that it needs cannot be read, or the client library is missing.
 *
 * @param pingMillis time between two pings of the server, in milliseconds
 * @returns an effect that makes one attempt at every server. It fails with the reason of the last; once connected, the connection makes
 *   itself anew for ever
 */
export const make = Effect.fnUntraced(function* (options: Options, pingMillis: number) {
  const { connect, credsAuthenticator } = yield* library
  const { tls } = options
  const urls = NatsUrl.listOf(options.servers).map(NatsUrl.parse)
  const creds = yield* Effect.mapError(NatsFiles.load(options), ({ message }) => new BusError({ detail: message }))
  const account = urls.find(({ user }) => user !== undefined)
  let lostMillis = performance.now()

  const connectionOptions: ConnectionOptions = {
    servers: urls.map(({ server }) => server),
    name: nameOf(options),
    noEcho: true,
    timeout: CONNECT_MILLIS,
    pingInterval: pingMillis,
    maxPingOut: UNANSWERED_PINGS,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => pauseMillis(performance.now() - lostMillis),
    // Whoever has changed a password does not restart every relay for it.
    ignoreAuthErrorAbort: true,
    ...(creds === undefined ? {} : { authenticator: credsAuthenticator(Buffer.from(creds)) }),
    ...(account === undefined
      ? {}
      : account.password === undefined
        ? { token: Redacted.value(account.user!) }
        : { user: Redacted.value(account.user!), pass: Redacted.value(account.password) }),
    ...(urls.some(({ isTls }) => isTls) || Object.values(tls).some((path) => path !== null)
      ? {
          tls: {
            ...(tls.ca === null ? {} : { caFile: tls.ca }),
            ...(tls.cert === null ? {} : { certFile: tls.cert }),
            ...(tls.key === null ? {} : { keyFile: tls.key })
          }
        }
      : {})
  }

  const shown = urls.map(({ server }) => server).join(", ")
  const attempt = Effect.callback<NatsConnection, BusError>((resume) => {
    let isWanted = true
    connect({ ...connectionOptions }).then(
      // An attempt cannot be called off.
      (connection) => (isWanted ? resume(Effect.succeed(connection)) : connection.close()),
      (cause: unknown) =>
        resume(Effect.fail(new BusError({ detail: `cannot connect to NATS at ${shown}: ${reasonOf(cause)}` })))
    )
    return Effect.sync(() => {
      isWanted = false
    })
  })

  return {
    attempt,
    /** To be called when a connection is lost: pauses between attempts begin anew. */
    lostUnsafe: () => {
      lostMillis = performance.now()
    },
    /** What others call this process. */
    name: nameOf(options)
  }
})

const nameOf = ({ name }: Options): string => name ?? `${hostname()}:${process.pid}`

/** Why there is no connection, in a few words. */
export const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "connection closed"
  const { code } = cause as NodeJS.ErrnoException
  return cause.message !== "" ? cause.message : (code ?? cause.name)
}

/** What the server does not let this process do, if that is what it says. */
export const denialOf = (error: Error): string | undefined => {
  // Of a class of the client library, which is not loaded where this is.
  if (error.name !== "PermissionViolationError") return undefined
  const { operation, subject } = error as PermissionViolationError
  // Permissions cannot name the subject of one process, which is another one with every start.
  return `${operation === "publish" ? "publish" : "subscribe"} to ${subject.replace(/\.[0-9a-f]{16}$/, ".*")}`
}
