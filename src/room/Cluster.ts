import * as Context from "effect/Context"
import type { WholeRoom } from "./Bus.ts"

/** The room across processes: `layer` of `bus/Cluster.ts`. */
export class Cluster extends Context.Service<Cluster, WholeRoom>()("summoner-server/Cluster") {}
