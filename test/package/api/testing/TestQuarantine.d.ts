import * as Layer from "effect/Layer";
import { Quarantine } from "../relay/Quarantine.ts";
export declare const layer: (keys?: Iterable<string>) => Layer.Layer<Quarantine>;
