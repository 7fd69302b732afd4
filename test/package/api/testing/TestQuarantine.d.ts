import * as Layer from "effect/Layer";
import { Quarantine } from "../limits/Quarantine.ts";
export declare const layer: (keys?: Iterable<string>) => Layer.Layer<Quarantine>;
