import * as Layer from "effect/Layer";
import { ClientLimits } from "../limits/ClientLimits.ts";
export declare const layer: (places: number) => Layer.Layer<ClientLimits>;
