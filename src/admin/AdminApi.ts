/** The admin API as schemas, published at `/api/openapi.json`. */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { version } from "../version.ts"
import { sortable } from "./sortable.ts"

/** The most clients, or quarantined addresses, in one response. */
export const MAX_LISTED = 1000

const described = <S extends Schema.Top>(schema: S, description: string) => schema.annotate({ description })

export const Client = Schema.Struct({
  address: described(Schema.String, "ip:port: the name of the client in envelopes, logs and actions"),
  ip: Schema.String,
  transport: described(Schema.String, "tcp or websocket"),
  connected_at: described(Schema.String, "ISO 8601"),
  state: Schema.Literals(["pending", "active", "throttled", "paused", "waiting", "slow"]),
  lines_in: Schema.Finite,
  lines_out: Schema.Finite,
  bytes_in: Schema.Finite,
  bytes_out: Schema.Finite,
  bytes_waiting: described(Schema.Finite, "Bytes that wait for the client to read"),
  subject: Schema.optionalKey(described(Schema.String, "Subject of the client certificate")),
  relay: Schema.optionalKey(described(Schema.String, "With `scope=room`: the process that the client is connected to"))
})

export const Clients = Schema.Struct({
  total: described(Schema.Finite, "Clients in the room"),
  matching: described(Schema.Finite, "Clients that match `search`"),
  clients: described(Schema.Array(Client), "The first `limit` (100) of them, ordered by `sort` (connected_at)"),
  silent: described(Schema.Array(Schema.String), "Processes of the room that did not answer within a second"),
  omitted: described(Schema.Finite, "Clients left out, because a process lists 10,000 at most")
})

export const Quarantined = Schema.Struct({
  total: described(Schema.Finite, "Addresses in quarantine"),
  entries: described(
    Schema.Array(Schema.Struct({ key: Schema.String, remaining_secs: Schema.Finite })),
    "The last `limit` (100) of them, newest first"
  )
})

const Distribution = Schema.Struct({
  buckets: described(Schema.Array(Schema.Tuple([Schema.Finite, Schema.Finite])), "Values at or below each bound"),
  count: Schema.Finite,
  sum: Schema.Finite
})

export const Stats = Schema.Struct({
  name: described(Schema.String, "The server's name in its log"),
  version: Schema.String,
  listeners: described(Schema.Array(Schema.String), "URLs for clients: `tcp://` or `tls://`, `ws://` or `wss://`"),
  state: Schema.Literals(["starting", "ready", "draining", "stopping"]),
  at: described(Schema.String, "Time of the statistics: ISO 8601"),
  started_at: described(Schema.String, "ISO 8601"),
  clients: Schema.Finite,
  connections: described(Schema.Finite, "Clients that have joined the room since the start"),
  lines_in: described(Schema.Finite, "Complete lines received, relayed or not"),
  lines_relayed: Schema.Finite,
  deliveries: described(Schema.Finite, "Lines handed to connections"),
  bytes_in: Schema.Finite,
  bytes_out: Schema.Finite,
  bytes_waiting: described(Schema.Finite, "Bytes that wait for clients to read"),
  bytes_waiting_max: described(Schema.Finite, "The most bytes that wait for one client"),
  quarantined: Schema.Finite,
  incidents: described(Schema.Record(Schema.String, Schema.Finite), "Limits met by lines, clients and notices"),
  departures: described(Schema.Record(Schema.String, Schema.Finite), "Clients that have left, by reason"),
  fan_out: described(Distribution, "Recipients of a relayed line"),
  latency_ms: described(Distribution, "From reading a line to writing it to its last recipient"),
  event_loop_lag_ms: described(
    Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite }),
    "Delay of timers within the last five seconds, in milliseconds"
  ),
  log_lines_dropped: Schema.Finite,
  cluster: described(
    Schema.Struct({
      state: Schema.Literals(["none", "up", "down"]),
      peers: Schema.Array(Schema.Struct({ name: Schema.String, clients: Schema.Finite })),
      batches_in: Schema.Finite,
      batches_out: Schema.Finite,
      batches_dropped: Schema.Finite,
      batches_lost: Schema.Finite,
      bytes_waiting: Schema.Finite
    }),
    "The other processes of the room, and the batches exchanged with them"
  ),
  memory_bytes: described(Schema.Finite, "Resident set size of the process")
})

export const Change = Schema.Struct({
  type: Schema.Literals(["connected", "disconnected", "state"]),
  at: described(Schema.String, "ISO 8601"),
  client: Client,
  kind: Schema.optionalKey(described(Schema.String, "How the client left: a key of `departures`")),
  reason: described(Schema.String, "Why the client left, or its previous state; empty for `connected`")
})

export const Message = Schema.Struct({
  at: described(Schema.String, "ISO 8601"),
  from: described(Schema.String, "The sender: ip:port, or the name that a broadcast gave"),
  content: described(Schema.String, "Its first 500 characters"),
  omitted: described(Schema.Finite, "Characters of the content that are left out")
})

export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { error: Schema.String },
  { httpApiStatus: 404 }
) {}

export class Impossible extends Schema.TaggedError<Impossible>()(
  "Impossible",
  { error: Schema.String },
  { httpApiStatus: 422 }
) {}

const Address = described(Schema.String, "ip:port of a client")

const Key = described(Schema.String, 'An IP address, or ip:port where `quarantine_scope` is "address"')

const Limit = Schema.optionalKey(
  Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: MAX_LISTED }))
)

class Observe extends HttpApiGroup.make("observe")
  .add(
    HttpApiEndpoint.get("stats", "/api/stats", { success: Stats }),
    HttpApiEndpoint.get("history", "/api/history", {
      success: described(Schema.Array(Stats), "Of the last fifteen minutes, every ten seconds, oldest first")
    }),
    HttpApiEndpoint.get("clients", "/api/clients", {
      query: {
        search: Schema.optionalKey(described(Schema.String, "Part of the address or of the certificate subject")),
        sort: Schema.optionalKey(Schema.Literals(sortable)),
        order: Schema.optionalKey(Schema.Literals(["asc", "desc"])),
        scope: Schema.optionalKey(
          described(
            Schema.Literals(["process", "room"]),
            "In a cluster: the clients of this process (the default), or of all processes"
          )
        ),
        limit: Limit
      },
      success: Clients
    }),
    HttpApiEndpoint.get("quarantined", "/api/quarantine", { query: { limit: Limit }, success: Quarantined })
  )
  .annotateMerge(OpenApi.annotations({ title: "Observe", description: "Statistics, clients and quarantine." })) {}

const Done = Schema.Struct({ done: Schema.Boolean })

class Act extends HttpApiGroup.make("act")
  .add(
    HttpApiEndpoint.post("disconnect", "/api/disconnect", {
      payload: Schema.Struct({
        address: Address,
        notice: Schema.optionalKey(described(Schema.String, "The last line sent to the client")),
        quarantine: Schema.optionalKey(
          described(
            Schema.Boolean,
            "Whether to quarantine the client. Without a quarantine: 422, and it stays connected"
          )
        )
      }),
      success: Done,
      error: [NotFound, Impossible]
    }),
    HttpApiEndpoint.post("quarantine", "/api/quarantine", {
      payload: Schema.Struct({ key: Key }),
      success: Done,
      error: Impossible
    }),
    HttpApiEndpoint.post("lift", "/api/lift", { payload: Schema.Struct({ key: Key }), success: Done, error: NotFound }),
    HttpApiEndpoint.post("broadcast", "/api/broadcast", {
      payload: Schema.Struct({
        content: described(Schema.String, "The message for every client"),
        from: Schema.optionalKey(
          described(Schema.String, "The `remote_addr` that clients see; by default the server's own `host:port`")
        )
      }),
      success: Done,
      error: Impossible
    }),
    HttpApiEndpoint.post("token", "/api/token", { success: Done }).annotateMerge(
      OpenApi.annotations({ description: "Does nothing: 200 if the token is right." })
    ),
    HttpApiEndpoint.post("drain", "/api/drain", { success: Done }),
    HttpApiEndpoint.post("undrain", "/api/undrain", { success: Done })
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Act",
      description:
        "Actions require `Authorization: Bearer <admin.token>`: 401 without it, 403 if no token is configured."
    })
  ) {}

export class AdminApi extends HttpApi.make("summoner-server")
  .add(Observe)
  .add(Act)
  .annotateMerge(OpenApi.annotations({ title: "Admin API of summoner-server", version })) {}
