import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import { type X509Certificate } from "node:crypto";
import type * as Tls from "node:tls";
import { ServerConfig, type Values } from "../../config/CurrentConfig.ts";
declare const TlsError_base: Schema.Class<TlsError, Schema.TaggedStruct<"TlsError", {
    readonly issues: Schema.$Array<Schema.Struct<{
        readonly path: Schema.String;
        readonly expected: Schema.String;
        readonly found: Schema.String;
        readonly hint: Schema.String;
    }>>;
}>, import("effect/Cause").YieldableError>;
export declare class TlsError extends TlsError_base {
    get message(): string;
}
export interface Identity {
    readonly subject: string;
    readonly notAfter: Date;
    readonly options: Tls.TlsOptions;
    readonly requestClientCert: Values["tls"]["request_client_cert"];
}
export declare const load: (tls: {
    readonly cert: string | null;
    readonly key: string | null;
    readonly ca: string | null;
    readonly request_client_cert: "optional" | boolean;
    readonly min_version: "TLSv1.2" | "TLSv1.3";
}) => Effect.Effect<Identity | undefined, TlsError, never>;
declare const TlsIdentity_base: Context.ServiceClass<TlsIdentity, "summoner-server/TlsIdentity", {
    readonly currentUnsafe: () => Identity | undefined;
}>;
export declare class TlsIdentity extends TlsIdentity_base {
    static readonly layer: Layer.Layer<TlsIdentity, TlsError, ServerConfig>;
}
export declare const subjectOf: (certificate: X509Certificate) => string | undefined;
export {};
