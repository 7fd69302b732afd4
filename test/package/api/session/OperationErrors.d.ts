import * as Schema from "effect/Schema";
declare const ClientNotFound_base: Schema.Class<ClientNotFound, Schema.TaggedStruct<"ClientNotFound", {
    readonly address: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class ClientNotFound extends ClientNotFound_base {
    get message(): string;
}
declare const MessageRejected_base: Schema.Class<MessageRejected, Schema.TaggedStruct<"MessageRejected", {
    readonly reason: Schema.Literals<readonly ["too long", "not Unicode", "not read"]>;
    readonly detail: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class MessageRejected extends MessageRejected_base {
    get message(): string;
}
declare const QuarantineRejected_base: Schema.Class<QuarantineRejected, Schema.TaggedStruct<"QuarantineRejected", {
    readonly reason: Schema.Literals<readonly ["disabled", "not an address"]>;
    readonly detail: Schema.String;
}>, import("effect/Cause").YieldableError>;
export declare class QuarantineRejected extends QuarantineRejected_base {
    get message(): string;
}
export {};
