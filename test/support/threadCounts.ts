import { availableParallelism } from "node:os"

/** With how many threads a server is tried where that may matter, as far as this machine can run them. */
export const threadCounts = process.platform === "linux" && availableParallelism() >= 2 ? [1, 2] : [1]
