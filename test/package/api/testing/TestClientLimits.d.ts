import * as Layer from "effect/Layer";
import { ClientLimits } from "../relay/ClientLimits.ts";
export declare const layer: (places: number) => Layer.Layer<ClientLimits>;
