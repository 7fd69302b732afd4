import * as Layer from "effect/Layer";
import { RateLimiter } from "../limits/RateLimiter.ts";
export declare const layer: (script: ReadonlyArray<boolean>) => Layer.Layer<RateLimiter>;
