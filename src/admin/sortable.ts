/** The keys of a client in the admin API that clients can be sorted by, each with its name in `ClientInfo`. */
export const SORT_KEYS = {
  address: "address",
  ip: "ip",
  transport: "transport",
  connected_at: "connectedSince",
  state: "state",
  lines_in: "linesIn",
  lines_out: "linesOut",
  bytes_in: "bytesIn",
  bytes_out: "bytesOut",
  bytes_waiting: "bytesWaiting"
} as const

export type SortKey = keyof typeof SORT_KEYS

export const sortable = Object.keys(SORT_KEYS) as ReadonlyArray<SortKey>
