import * as Effect from "effect/Effect";
import type { HttpBody } from "effect/http/HttpBody";
import * as HttpClient from "effect/http/HttpClient";
export interface Lost {
    readonly logRecords: number;
    readonly spans: number;
}
export type Signal = "logs" | "metrics" | "traces";
export declare const make: (flushMillis: number) => Effect.Effect<{
    serialization: {
        readonly traces: (data: import("effect/observability/OtlpTracer").TraceData) => HttpBody;
        readonly metrics: (data: import("effect/observability/OtlpMetrics").MetricsData) => HttpBody;
        readonly logs: (data: import("effect/observability/OtlpLogger").LogsData) => HttpBody;
    };
    client: HttpClient.HttpClient;
    lostUnsafe: () => Lost;
    close: (flush: Effect.Effect<void>) => Effect.Effect<void>;
}, never, import("effect/Scope").Scope>;
