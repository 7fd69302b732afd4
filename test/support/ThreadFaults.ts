/** Names the channel on which tests tell relay threads to fail. */
export const FAULTS = "faults of the tests"

/** What a thread is to do. */
export type Fault = { readonly index: number } & (
  | { readonly kind: "throw" | "exhaust" }
  /** Until the first word is another one than 0. */
  | { readonly kind: "hang"; readonly until: SharedArrayBuffer }
)
