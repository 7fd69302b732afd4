import * as Exit from "effect/Exit";
export type DisconnectKind = "left" | "lost" | "idle" | "too slow" | "backpressure" | "application" | "shutdown" | "failed";
export type DisconnectCounts = {
    [kind in DisconnectKind]: number;
};
export declare const noDisconnects: () => DisconnectCounts;
export interface DisconnectReason {
    readonly kind: DisconnectKind;
    readonly reason: string;
    readonly notice: string | undefined;
    readonly severity: "Info" | "Warn";
    readonly quarantine?: boolean;
    readonly isWorded?: boolean;
}
export declare const LEFT: DisconnectReason;
export declare const SHUTDOWN: DisconnectReason;
export declare const FAILED: DisconnectReason;
export declare const IDLE: DisconnectReason;
export declare const UNANSWERED: DisconnectReason;
export declare const TOO_SLOW: DisconnectReason;
export declare const backpressure: (quarantine: boolean) => DisconnectReason;
export declare const lost: (code: string, unfinishedBytes: number) => DisconnectReason;
export interface DisconnectOptions {
    readonly notice?: string | undefined;
    readonly quarantine?: boolean | undefined;
}
export declare const byApplication: ({ notice, quarantine: isWanted }: DisconnectOptions, isKeepingOut: boolean) => DisconnectReason;
export declare const notAdmitted: (notice: string | undefined) => DisconnectReason;
export declare const ofExit: (exit: Exit.Exit<DisconnectReason>) => DisconnectReason;
