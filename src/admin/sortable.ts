/** The keys of the admin API that clients can be sorted by. */
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
