import * as Layer from "effect/Layer";
import type { ConfigError } from "../config/ConfigError.ts";
import { type Options } from "../config/ServerConfig.ts";
import * as Parts from "../relay/Parts.ts";
import { RelayServer } from "../RelayServer.ts";
import * as MemoryListener from "./MemoryListener.ts";
export declare const layer: <const P extends Parts.Parts = {}>(options?: Options, parts?: Parts.Exact<P, Parts.Parts>) => Layer.Layer<RelayServer | MemoryListener.MemoryNetwork | Parts.ExtrasOf<P>, Parts.ErrorOf<P> | Parts.StartError | ConfigError, Parts.ServicesOf<P>>;
