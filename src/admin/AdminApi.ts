/** What the admin server tells and takes, as schemas; `/api/openapi.json` shows them. */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { version } from "../version.ts"

/** The most clients, or addresses in quarantine, that one answer has. */
export const MAX_LISTED = 1000

const described = <S extends Schema.Top>(schema: S, description: string) => schema.annotate({ description })

export const Client = Schema.Struct({
  address: described(Schema.String, "ip:port, its name in envelopes, logs and actions"),
  ip: Schema.String,
  transport: described(Schema.String, "How it has come: tcp, websocket"),
  connected_at: described(Schema.String, "ISO 8601"),
  state: Schema.Literals(["active", "throttled", "paused", "waiting", "slow"]),
  lines_in: Schema.Finite,
  lines_out: Schema.Finite,
  bytes_in: Schema.Finite,
  bytes_out: Schema.Finite,
  bytes_waiting: described(Schema.Finite, "Bytes on their way to it that its kernel has not taken"),
  subject: Schema.optionalKey(described(Schema.String, "Of the certificate that it has shown")),
  relay: Schema.optionalKey(
    described(Schema.String, "Of a list of the whole room: the process that it is connected to")
  )
})

/** What clients can be listed by. */
export const sortable = [
  "address",
  "ip",
  "transport",
  "connected_at",
  "state",
  "lines_in",
  "lines_out",
  "bytes_in",
  "bytes_out",
  "bytes_waiting"
] as const

export const Clients = Schema.Struct({
  total: described(Schema.Finite, "Clients in the room"),
  matching: described(Schema.Finite, "Those that match `search`"),
  clients: described(Schema.Array(Client), "The first `limit` of them (100) by `sort` (connected_at)"),
  silent: described(Schema.Array(Schema.String), "Processes of the room that did not answer within a second"),
  omitted: described(Schema.Finite, "Clients that these processes left out, because they list 10,000 each")
})

export const Quarantined = Schema.Struct({
  total: described(Schema.Finite, "Addresses in quarantine"),
  entries: described(
    Schema.Array(Schema.Struct({ key: Schema.String, remaining_secs: Schema.Finite })),
    "The last `limit` of them (100), the newest first"
  )
})

const Distribution = Schema.Struct({
  buckets: described(
    Schema.Array(Schema.Tuple([Schema.Finite, Schema.Finite])),
    "For each bound, how many values were at most that"
  ),
  count: Schema.Finite,
  sum: Schema.Finite
})

export const Stats = Schema.Struct({
  version: Schema.String,
  state: Schema.Literals(["starting", "ready", "draining", "stopping"]),
  at: described(Schema.String, "When all this was so: ISO 8601"),
  started_at: described(Schema.String, "ISO 8601"),
  clients: Schema.Finite,
  connections: described(Schema.Finite, "Clients that were ever in the room"),
  lines_in: described(Schema.Finite, "Complete lines received, whatever became of them"),
  lines_relayed: Schema.Finite,
  deliveries: described(Schema.Finite, "Lines handed to connections"),
  bytes_in: Schema.Finite,
  bytes_out: Schema.Finite,
  bytes_waiting: described(Schema.Finite, "Bytes that clients have not taken yet"),
  bytes_waiting_max: described(Schema.Finite, "The most of them for one client"),
  quarantined: Schema.Finite,
  incidents: described(
    Schema.Record(Schema.String, Schema.Finite),
    "How often lines, clients and notices met a limit, by what happened"
  ),
  departures: described(Schema.Record(Schema.String, Schema.Finite), "Clients that have left, by how"),
  fan_out: described(Distribution, "Recipients of a relayed line"),
  latency_ms: described(
    Distribution,
    "From reading a line to handing it to the last recipient's connection, in milliseconds"
  ),
  event_loop_lag_ms: described(
    Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite, max: Schema.Finite }),
    "How late timers were, in milliseconds, within the last five seconds"
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
    "The other processes of the room, and what was exchanged with them"
  ),
  memory_bytes: described(Schema.Finite, "Resident set size of the process")
})

/** Something that happened to a client. */
export const Change = Schema.Struct({
  type: Schema.Literals(["connected", "disconnected", "state"]),
  at: described(Schema.String, "ISO 8601"),
  client: Client,
  reason: described(Schema.String, "Why it left, or the state it was in before; else empty")
})

/** What was named does not exist. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { error: Schema.String },
  { httpApiStatus: 404 }
) {}

/** What was asked for cannot be done. */
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
    HttpApiEndpoint.get("clients", "/api/clients", {
      query: {
        search: Schema.optionalKey(described(Schema.String, "A part of the address, or of the subject")),
        sort: Schema.optionalKey(Schema.Literals(sortable)),
        order: Schema.optionalKey(Schema.Literals(["asc", "desc"])),
        scope: Schema.optionalKey(
          described(
            Schema.Literals(["process", "room"]),
            "Of a cluster, this process only (the default), or all of them"
          )
        ),
        limit: Limit
      },
      success: Clients
    }),
    HttpApiEndpoint.get("quarantined", "/api/quarantine", {
      query: { limit: Limit },
      success: Quarantined
    })
  )
  .annotateMerge(OpenApi.annotations({ title: "Observe", description: "What there is to know." })) {}

const Done = Schema.Struct({ done: Schema.Boolean })

class Act extends HttpApiGroup.make("act")
  .add(
    HttpApiEndpoint.post("disconnect", "/api/disconnect", {
      payload: Schema.Struct({
        address: Address,
        notice: Schema.optionalKey(described(Schema.String, "The last line that it gets")),
        quarantine: Schema.optionalKey(
          described(
            Schema.Boolean,
            "Whether it has to stay out for a while. Where nobody can be quarantined, 422, and it stays"
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
    HttpApiEndpoint.post("lift", "/api/lift", {
      payload: Schema.Struct({ key: Key }),
      success: Done,
      error: NotFound
    }),
    HttpApiEndpoint.post("drain", "/api/drain", { success: Done }),
    HttpApiEndpoint.post("undrain", "/api/undrain", { success: Done })
  )
  .annotateMerge(
    OpenApi.annotations({
      title: "Act",
      description:
        "What there is to do, with `Authorization: Bearer <admin.token>`: else 401; 403 where no token is configured."
    })
  ) {}

export class AdminApi extends HttpApi.make("summoner-server")
  .add(Observe)
  .add(Act)
  .annotateMerge(OpenApi.annotations({ title: "Admin API of summoner-server", version })) {}
