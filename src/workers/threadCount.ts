import { availableParallelism } from "node:os"
import type { Values } from "../config/ServerConfig.ts"

/** The argument with which the program runs as a worker. */
export const WORKER = "worker"

/** How many relay processes a machine runs for a configuration. */
export interface Plan {
  readonly count: number
  /** What there is to say about it: more were configured than there are cores. */
  readonly remark: string | undefined
}

/** @param cores of this machine, as far as this process may use them */
export const plan = (
  { hyper_parameters: { worker_threads } }: Pick<Values, "hyper_parameters">,
  cores = availableParallelism()
): Plan => {
  const count = Math.min(worker_threads, cores)
  if (count === worker_threads) return { count, remark: undefined }
  const runs = count === 1 ? "1 runs" : `${count} run`
  const has = cores === 1 ? "1 core" : `${cores} cores`
  return { count, remark: `worker_threads: ${worker_threads} configured, ${runs}: this machine has ${has}` }
}

/** What there is to say where nobody runs more than one, in a program that a server is a part of. */
export const remarkOnOne = ({ hyper_parameters: { worker_threads } }: Pick<Values, "hyper_parameters">) =>
  worker_threads === 1
    ? undefined
    : `worker_threads: ${worker_threads} configured, 1 runs: only the command line program runs several processes`
