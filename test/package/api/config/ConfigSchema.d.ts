import * as Schema from "effect/Schema";
export interface Values extends Schema.Schema.Type<typeof Values> {
}
export declare const Values: Schema.Struct<{
    readonly $schema: Schema.optionalKey<Schema.Codec<string, string, never, never>>;
    readonly host: Schema.decodeTo<Schema.toType<Schema.Codec<string, string, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<string, string, never, never>>>, never, never>;
    readonly port: Schema.decodeTo<Schema.toType<Schema.Codec<number, number, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<number, number, never, never>>>, never, never>;
    readonly version: Schema.withDecodingDefaultTypeKey<Schema.Codec<"python" | "rust" | `rust_v${string}`, "python" | "rust" | `rust_v${string}`, never, never>, never>;
    readonly logger: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly log_level: "CRITICAL" | "DEBUG" | "ERROR" | "INFO" | "WARNING";
        readonly enable_console_log: boolean;
        readonly console_log_format: string;
        readonly enable_json_console: boolean;
        readonly enable_file_log: boolean;
        readonly log_file_path: string;
        readonly enable_json_log: boolean;
        readonly log_format: string;
        readonly date_format: string;
        readonly max_file_size: number;
        readonly backup_count: number;
        readonly log_keys: readonly string[] | null;
    }, {
        readonly log_level?: "CRITICAL" | "DEBUG" | "ERROR" | "INFO" | "WARNING";
        readonly enable_console_log?: boolean;
        readonly console_log_format?: string;
        readonly enable_json_console?: boolean;
        readonly enable_file_log?: boolean;
        readonly log_file_path?: string;
        readonly enable_json_log?: boolean;
        readonly log_format?: string;
        readonly date_format?: string;
        readonly max_file_size?: number;
        readonly backup_count?: number;
        readonly log_keys?: readonly string[] | null;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly log_level: "CRITICAL" | "DEBUG" | "ERROR" | "INFO" | "WARNING";
        readonly enable_console_log: boolean;
        readonly console_log_format: string;
        readonly enable_json_console: boolean;
        readonly enable_file_log: boolean;
        readonly log_file_path: string;
        readonly enable_json_log: boolean;
        readonly log_format: string;
        readonly date_format: string;
        readonly max_file_size: number;
        readonly backup_count: number;
        readonly log_keys: readonly string[] | null;
    }, {
        readonly log_level?: "CRITICAL" | "DEBUG" | "ERROR" | "INFO" | "WARNING";
        readonly enable_console_log?: boolean;
        readonly console_log_format?: string;
        readonly enable_json_console?: boolean;
        readonly enable_file_log?: boolean;
        readonly log_file_path?: string;
        readonly enable_json_log?: boolean;
        readonly log_format?: string;
        readonly date_format?: string;
        readonly max_file_size?: number;
        readonly backup_count?: number;
        readonly log_keys?: readonly string[] | null;
    }, never, never>>>, never, never>;
    readonly hyper_parameters: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly rate_limit_msgs_per_minute: number;
        readonly rate_limit_scope: "connection" | "ip";
        readonly client_timeout_secs: number | null;
        readonly timeout_check_interval_secs: number;
        readonly quarantine_cooldown_secs: number;
        readonly quarantine_cleanup_interval_secs: number;
        readonly quarantine_scope: "address" | "ip";
        readonly throttle_delay_ms: number;
        readonly flow_control_delay_ms: number;
        readonly accept_error_backoff_ms: number;
        readonly worker_threads: number;
        readonly max_line_bytes: number;
        readonly listen_backlog: number;
        readonly max_clients: number;
        readonly max_clients_per_ip: number | null;
        readonly allow: readonly string[] | null;
        readonly deny: readonly string[];
        readonly trusted_proxies: readonly string[];
        readonly shutdown_grace_ms: number;
        readonly connection_buffer_size: number;
        readonly command_buffer_size: number;
        readonly control_channel_capacity: number;
        readonly queue_monitor_capacity: number;
        readonly backpressure_policy: {
            readonly enable_throttle: boolean;
            readonly throttle_threshold: number;
            readonly enable_flow_control: boolean;
            readonly flow_control_threshold: number;
            readonly enable_disconnect: boolean;
            readonly disconnect_threshold: number;
        };
        readonly slow_consumer: {
            readonly policy: "disconnect" | "drop_newest" | "drop_oldest";
            readonly soft_limit_bytes: number;
            readonly hard_limit_bytes: number;
            readonly stall_grace_ms: number;
            readonly eviction_grace_ms: number;
        };
    }, {
        readonly rate_limit_msgs_per_minute?: number;
        readonly rate_limit_scope?: "connection" | "ip";
        readonly client_timeout_secs?: number | null;
        readonly timeout_check_interval_secs?: number;
        readonly quarantine_cooldown_secs?: number;
        readonly quarantine_cleanup_interval_secs?: number;
        readonly quarantine_scope?: "address" | "ip";
        readonly throttle_delay_ms?: number;
        readonly flow_control_delay_ms?: number;
        readonly accept_error_backoff_ms?: number;
        readonly worker_threads?: number;
        readonly max_line_bytes?: number;
        readonly listen_backlog?: number;
        readonly max_clients?: number;
        readonly max_clients_per_ip?: number | null;
        readonly allow?: readonly string[] | null;
        readonly deny?: readonly string[];
        readonly trusted_proxies?: readonly string[];
        readonly shutdown_grace_ms?: number;
        readonly connection_buffer_size?: number;
        readonly command_buffer_size?: number;
        readonly control_channel_capacity?: number;
        readonly queue_monitor_capacity?: number;
        readonly backpressure_policy?: {
            readonly enable_throttle?: boolean;
            readonly throttle_threshold?: number;
            readonly enable_flow_control?: boolean;
            readonly flow_control_threshold?: number;
            readonly enable_disconnect?: boolean;
            readonly disconnect_threshold?: number;
        } | null;
        readonly slow_consumer?: {
            readonly policy?: "disconnect" | "drop_newest" | "drop_oldest";
            readonly soft_limit_bytes?: number;
            readonly hard_limit_bytes?: number;
            readonly stall_grace_ms?: number;
            readonly eviction_grace_ms?: number;
        } | null;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly rate_limit_msgs_per_minute: number;
        readonly rate_limit_scope: "connection" | "ip";
        readonly client_timeout_secs: number | null;
        readonly timeout_check_interval_secs: number;
        readonly quarantine_cooldown_secs: number;
        readonly quarantine_cleanup_interval_secs: number;
        readonly quarantine_scope: "address" | "ip";
        readonly throttle_delay_ms: number;
        readonly flow_control_delay_ms: number;
        readonly accept_error_backoff_ms: number;
        readonly worker_threads: number;
        readonly max_line_bytes: number;
        readonly listen_backlog: number;
        readonly max_clients: number;
        readonly max_clients_per_ip: number | null;
        readonly allow: readonly string[] | null;
        readonly deny: readonly string[];
        readonly trusted_proxies: readonly string[];
        readonly shutdown_grace_ms: number;
        readonly connection_buffer_size: number;
        readonly command_buffer_size: number;
        readonly control_channel_capacity: number;
        readonly queue_monitor_capacity: number;
        readonly backpressure_policy: {
            readonly enable_throttle: boolean;
            readonly throttle_threshold: number;
            readonly enable_flow_control: boolean;
            readonly flow_control_threshold: number;
            readonly enable_disconnect: boolean;
            readonly disconnect_threshold: number;
        };
        readonly slow_consumer: {
            readonly policy: "disconnect" | "drop_newest" | "drop_oldest";
            readonly soft_limit_bytes: number;
            readonly hard_limit_bytes: number;
            readonly stall_grace_ms: number;
            readonly eviction_grace_ms: number;
        };
    }, {
        readonly rate_limit_msgs_per_minute?: number;
        readonly rate_limit_scope?: "connection" | "ip";
        readonly client_timeout_secs?: number | null;
        readonly timeout_check_interval_secs?: number;
        readonly quarantine_cooldown_secs?: number;
        readonly quarantine_cleanup_interval_secs?: number;
        readonly quarantine_scope?: "address" | "ip";
        readonly throttle_delay_ms?: number;
        readonly flow_control_delay_ms?: number;
        readonly accept_error_backoff_ms?: number;
        readonly worker_threads?: number;
        readonly max_line_bytes?: number;
        readonly listen_backlog?: number;
        readonly max_clients?: number;
        readonly max_clients_per_ip?: number | null;
        readonly allow?: readonly string[] | null;
        readonly deny?: readonly string[];
        readonly trusted_proxies?: readonly string[];
        readonly shutdown_grace_ms?: number;
        readonly connection_buffer_size?: number;
        readonly command_buffer_size?: number;
        readonly control_channel_capacity?: number;
        readonly queue_monitor_capacity?: number;
        readonly backpressure_policy?: {
            readonly enable_throttle?: boolean;
            readonly throttle_threshold?: number;
            readonly enable_flow_control?: boolean;
            readonly flow_control_threshold?: number;
            readonly enable_disconnect?: boolean;
            readonly disconnect_threshold?: number;
        } | null;
        readonly slow_consumer?: {
            readonly policy?: "disconnect" | "drop_newest" | "drop_oldest";
            readonly soft_limit_bytes?: number;
            readonly hard_limit_bytes?: number;
            readonly stall_grace_ms?: number;
            readonly eviction_grace_ms?: number;
        } | null;
    }, never, never>>>, never, never>;
    readonly history: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly lines: number;
        readonly seconds: number | null;
        readonly bytes: number;
    }, {
        readonly lines?: number;
        readonly seconds?: number | null;
        readonly bytes?: number;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly lines: number;
        readonly seconds: number | null;
        readonly bytes: number;
    }, {
        readonly lines?: number;
        readonly seconds?: number | null;
        readonly bytes?: number;
    }, never, never>>>, never, never>;
    readonly tls: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly cert: string | null;
        readonly key: string | null;
        readonly ca: string | null;
        readonly request_client_cert: "optional" | boolean;
        readonly min_version: "TLSv1.2" | "TLSv1.3";
    }, {
        readonly cert?: string | null;
        readonly key?: string | null;
        readonly ca?: string | null;
        readonly request_client_cert?: "optional" | boolean;
        readonly min_version?: "TLSv1.2" | "TLSv1.3";
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly cert: string | null;
        readonly key: string | null;
        readonly ca: string | null;
        readonly request_client_cert: "optional" | boolean;
        readonly min_version: "TLSv1.2" | "TLSv1.3";
    }, {
        readonly cert?: string | null;
        readonly key?: string | null;
        readonly ca?: string | null;
        readonly request_client_cert?: "optional" | boolean;
        readonly min_version?: "TLSv1.2" | "TLSv1.3";
    }, never, never>>>, never, never>;
    readonly websocket: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly host: string | null;
        readonly port: number | null;
        readonly path: string;
        readonly origins: readonly string[];
        readonly page: boolean;
        readonly max_clients: number | null;
        readonly compression: "off" | false;
    }, {
        readonly host?: string | null;
        readonly port?: number | null;
        readonly path?: string;
        readonly origins?: readonly string[];
        readonly page?: boolean;
        readonly max_clients?: number | null;
        readonly compression?: "off" | false;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly host: string | null;
        readonly port: number | null;
        readonly path: string;
        readonly origins: readonly string[];
        readonly page: boolean;
        readonly max_clients: number | null;
        readonly compression: "off" | false;
    }, {
        readonly host?: string | null;
        readonly port?: number | null;
        readonly path?: string;
        readonly origins?: readonly string[];
        readonly page?: boolean;
        readonly max_clients?: number | null;
        readonly compression?: "off" | false;
    }, never, never>>>, never, never>;
    readonly admin: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly host: string;
        readonly port: number | null;
        readonly token: import("effect/Redacted").Redacted<string> | null;
        readonly token_for_reading: boolean;
    }, {
        readonly host?: string;
        readonly port?: number | null;
        readonly token?: string | null;
        readonly token_for_reading?: boolean;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly host: string;
        readonly port: number | null;
        readonly token: import("effect/Redacted").Redacted<string> | null;
        readonly token_for_reading: boolean;
    }, {
        readonly host?: string;
        readonly port?: number | null;
        readonly token?: string | null;
        readonly token_for_reading?: boolean;
    }, never, never>>>, never, never>;
    readonly otlp: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly endpoint: string | null;
    }, {
        readonly endpoint?: string | null;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly endpoint: string | null;
    }, {
        readonly endpoint?: string | null;
    }, never, never>>>, never, never>;
    readonly cluster: Schema.decodeTo<Schema.toType<Schema.Codec<{
        readonly nats: {
            readonly servers: string | readonly string[] | null;
            readonly subject: string;
            readonly credentials: string | null;
            readonly name: string | null;
            readonly connect: "fail" | "wait";
            readonly max_pending_bytes: number;
            readonly tls: {
                readonly ca: string | null;
                readonly cert: string | null;
                readonly key: string | null;
            };
        };
    }, {
        readonly nats?: {
            readonly servers?: string | readonly string[] | null;
            readonly subject?: string;
            readonly credentials?: string | null;
            readonly name?: string | null;
            readonly connect?: "fail" | "wait";
            readonly max_pending_bytes?: number;
            readonly tls?: {
                readonly ca?: string | null;
                readonly cert?: string | null;
                readonly key?: string | null;
            } | null;
        } | null;
    }, never, never>>, Schema.optionalKey<Schema.NullOr<Schema.Codec<{
        readonly nats: {
            readonly servers: string | readonly string[] | null;
            readonly subject: string;
            readonly credentials: string | null;
            readonly name: string | null;
            readonly connect: "fail" | "wait";
            readonly max_pending_bytes: number;
            readonly tls: {
                readonly ca: string | null;
                readonly cert: string | null;
                readonly key: string | null;
            };
        };
    }, {
        readonly nats?: {
            readonly servers?: string | readonly string[] | null;
            readonly subject?: string;
            readonly credentials?: string | null;
            readonly name?: string | null;
            readonly connect?: "fail" | "wait";
            readonly max_pending_bytes?: number;
            readonly tls?: {
                readonly ca?: string | null;
                readonly cert?: string | null;
                readonly key?: string | null;
            } | null;
        } | null;
    }, never, never>>>, never, never>;
}>;
export interface Written extends Schema.Codec.Encoded<typeof Values> {
}
export declare const defaults: Values;
