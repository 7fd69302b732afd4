import type { ConnectionOptions, NatsConnection, PermissionViolationError, ServerInfo } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AsyncLocalStorage } from "node:async_hooks"
import * as diagnostics from "node:diagnostics_channel"
import type * as Net from "node:net"
import { isIP } from "node:net"
import { hostname } from "node:os"
import * as NatsUrl from "../config/NatsUrl.ts"
import type { ServerConfig } from "../config/CurrentConfig.ts"
import { BusError } from "../room/Bus.ts"
import { HEADER_BYTES } from "./Frame.ts"
import * as NatsGreeting from "./NatsGreeting.ts"
import * as NatsFiles from "./NatsFiles.ts"

export type { NatsConnection } from "@nats-io/transport-node"

/** `cluster.nats` */
export type Options = ServerConfig["Service"]["cluster"]["nats"]

/** What a server has time for, in milliseconds. */
export interface Times {
  /** To accept a connection, and as much to answer the check of permissions. A start waits no longer. */
  readonly answerMillis: number
  /** Between two pings. */
  readonly pingMillis: number
}

/** Pings without an answer before a connection counts as lost. */
const UNANSWERED_PINGS = 3

/** The first and the longest pause between two attempts at a server, in milliseconds. */
const SHORTEST_PAUSE_MILLIS = 100
const LONGEST_PAUSE_MILLIS = 2000

/** The most servers that are known: those configured, and those of their cluster that they name. */
const MAX_SERVERS = 64

/**
 * The pause before the next attempt, in milliseconds: it grows with the time spent trying, and is random, so that relays do not all come at
 * once.
 */
export const pauseMillis = (tryingMillis: number): number =>
  Math.min(LONGEST_PAUSE_MILLIS, SHORTEST_PAUSE_MILLIS + tryingMillis / 4) * (0.5 + Math.random() / 2)

/** The client library: loaded, and needed, only with a cluster. */
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

const CLIENT_SOCKETS = "net.client.socket"

/** Connects with a library that cannot call an attempt off, and leaves the socket open if there is no answer in time. */
const withItsSockets = <A>(connect: () => Promise<A>) => {
  const attempt = new AsyncLocalStorage<true>()
  const sockets = new Set<Net.Socket>()
  const onSocket = (message: unknown) => {
    if (attempt.getStore() === true) sockets.add((message as { readonly socket: Net.Socket }).socket)
  }
  diagnostics.subscribe(CLIENT_SOCKETS, onSocket)
  const made = attempt.run(true, connect).finally(() => {
    diagnostics.unsubscribe(CLIENT_SOCKETS, onSocket)
    // Older versions of Node.js follow every callback of the process while one is in use.
    attempt.disable()
  })
  return {
    made,
    destroySockets: () => {
      for (const socket of sockets) socket.destroy()
    }
  }
}

/** A server of NATS, as `host:port`, and the name that its certificate is checked against: a host name or an IP address. */
interface Server {
  readonly server: string
  readonly tlsName: string
}

const hostOf = (server: string): string => server.slice(0, server.lastIndexOf(":")).replace(/^\[|\]$/g, "")

/**
 * Prepares connections to the configured servers. Fails if a file cannot be used, or the client library is missing.
 */
export const make = Effect.fnUntraced(function* (options: Options, { answerMillis, pingMillis }: Times) {
  const { connect, credsAuthenticator } = yield* library
  const { tls } = options
  const urls = NatsUrl.listOf(options.servers).map(NatsUrl.parse)
  const account = urls.find(({ user }) => user !== undefined)
  const isTls = urls.some(({ isTls }) => isTls) || Object.values(tls).some((path) => path !== null)
  const servers: Array<Server> = urls.map(({ server }) => ({ server, tlsName: hostOf(server) }))
  const shown = urls.map(({ server }) => server).join(", ")
  const readFiles = Effect.mapError(NatsFiles.load(options), ({ message }) => new BusError({ detail: message }))
  /** Of the files with which the last attempt was made. */
  let { fingerprint } = yield* readFiles

  const connectionOptions: ConnectionOptions = {
    name: nameOf(options),
    noEcho: true,
    timeout: answerMillis,
    pingInterval: pingMillis,
    maxPingOut: UNANSWERED_PINGS,
    // A lost connection is closed, and another one made: see `NatsBus`.
    reconnect: false,
    ...(account === undefined
      ? {}
      : account.password === undefined
        ? { token: Redacted.value(account.user!) }
        : { user: Redacted.value(account.user!), pass: Redacted.value(account.password) })
  }
  const connectTo = ({ server, tlsName }: Server, { credentials, tls }: NatsFiles.Files) =>
    Effect.callback<NatsConnection, unknown>((resume) => {
      let isWanted = true
      const { destroySockets, made } = withItsSockets(() =>
        connect({
          ...connectionOptions,
          servers: server,
          ...(credentials === undefined ? {} : { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
          // Without a host name the library leaves Node.js to check certificates against "localhost".
          ...(isTls ? { tls: { ...tls, ...(isIP(tlsName) === 0 ? {} : { host: tlsName }) } } : {})
        })
      )
      made.then(
        // One that had no socket yet when it was given up.
        (connection) => (isWanted ? resume(Effect.succeed(connection)) : connection.close()),
        (cause: unknown) => {
          destroySockets()
          resume(Effect.fail(cause))
        }
      )
      return Effect.sync(() => {
        isWanted = false
        destroySockets()
      })
    })

  const connectAndExplain = (server: Server, files: NatsFiles.Files) =>
    connectTo(server, files).pipe(
      Effect.catch(
        Effect.fnUntraced(function* (cause) {
          const reason = reasonOf(cause)
          const detail = (why: string) => new BusError({ detail: `cannot connect to NATS at ${shown}: ${why}` })
          if (reason === "connection refused" || (cause instanceof Error && isAuthorizationError(cause))) {
            return yield* detail(reason)
          }
          const port = Number(server.server.slice(server.server.lastIndexOf(":") + 1))
          // A server that misses a certificate sends a TLS alert, which the library may not report.
          const mayMissCertificate = tls.cert === null && (isTimeout(cause) || reason.includes("alert"))
          const refusal = yield* NatsGreeting.refusalOf(hostOf(server.server), port, mayMissCertificate)
          return yield* detail(refusal ?? (isTimeout(cause) ? "no answer" : reason))
        })
      )
    )

  return {
    /**
     * Tries each server once, in random order, with the credentials that the file has now. Fails with the last reason.
     *
     * @param except a server to leave out if there are others
     */
    attempt: Effect.fnUntraced(function* (except?: string) {
      const files = yield* readFiles
      fingerprint = files.fingerprint
      const others = servers.filter(({ server }) => server !== except)
      let failure: BusError | undefined
      for (const server of yield* Random.shuffle(others.length === 0 ? servers : others)) {
        const tried = yield* Effect.result(connectAndExplain(server, files))
        if (Result.isSuccess(tried)) return tried.success
        failure = tried.failure
      }
      return yield* failure!
    }),
    /** Whether files have other content than at the last attempt, or cannot be used any more. */
    haveFilesChanged: Effect.match(readFiles, {
      onFailure: () => true,
      onSuccess: (files) => files.fingerprint !== fingerprint
    }),
    /** Adds servers of its cluster that a server has named, as `host:port`. */
    learn: (from: string, named: ReadonlyArray<string>) => {
      for (const server of named) {
        if (servers.length === MAX_SERVERS) return
        if (servers.some((known) => known.server === server)) continue
        const { tlsName } = servers.find((known) => known.server === from) ?? { tlsName: hostOf(server) }
        servers.push({ server, tlsName: isIP(tlsName) === 0 ? tlsName : hostOf(server) })
      }
    },
    /** The name of this process on the bus. */
    name: nameOf(options)
  }
})

/** The shortest `max_payload` that a relay can use, in bytes. */
export const MIN_PAYLOAD_BYTES = 1024

/** A full batch of a room with its header, in bytes. */
const BATCH_BYTES = 128 * 1024 + HEADER_BYTES

/** Whether a version is older than 2.9, the oldest that relays are tested with. */
const isUntested = (version: string): boolean => {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(version) ?? []
  return major !== undefined && (Number(major) < 2 || (Number(major) === 2 && Number(minor) < 9))
}

/**
 * What to change in a server. It tells clients neither `write_deadline` nor `max_pending`.
 *
 * @param server `host:port`
 */
export const adviceOn = (
  server: string,
  { max_payload, version }: Pick<ServerInfo, "max_payload" | "version">
): ReadonlyArray<string> => [
  ...(max_payload < BATCH_BYTES
    ? [`max_payload of NATS at ${server} is ${max_payload}: a batch of up to ${BATCH_BYTES} bytes travels in pieces`]
    : []),
  ...(isUntested(version) ? [`NATS at ${server} is version ${version}: relays are tested with 2.9 and newer`] : [])
]

const nameOf = ({ name }: Options): string => name ?? `${hostname()}:${process.pid}`

/** The reason in an error of the client library. */
export const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return "connection closed"
  const { code } = cause as NodeJS.ErrnoException
  return cause.message !== "" ? cause.message : (code ?? cause.name)
}

/** The operation that the server denies, or `undefined` if the error is not a denial. */
export const denialOf = (error: Error): string | undefined => {
  // By name: the class belongs to the client library, which is loaded on demand.
  if (error.name !== "PermissionViolationError") return undefined
  const { operation, subject } = error as PermissionViolationError
  // The id of a process changes with every start, so permissions cannot name its subject.
  return `${operation === "publish" ? "publish" : "subscribe"} to ${subject.replace(/\.[0-9a-f]{16}$/, ".*")}`
}

const isTimeout = (cause: unknown): boolean => cause instanceof Error && cause.name === "TimeoutError"

/** Whether the server no longer accepts this process's user. */
export const isAuthorizationError = (error: Error): boolean =>
  error.name === "AuthorizationError" || error.name === "UserAuthenticationExpiredError"
