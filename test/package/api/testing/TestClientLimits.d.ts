import * as Layer from "effect/Layer";
import { ClientLimits } from "../limits/ClientLimits.ts";
export declare const layer: (maxClients: number) => Layer.Layer<ClientLimits>;
