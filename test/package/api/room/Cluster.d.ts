import * as Context from "effect/Context";
import type { WholeRoom } from "./Bus.ts";
declare const Cluster_base: Context.ServiceClass<Cluster, "summoner-server/Cluster", WholeRoom>;
export declare class Cluster extends Cluster_base {
}
export {};
