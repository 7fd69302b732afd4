export interface ClientIdentity {
    readonly address: string;
    readonly ip: string;
    readonly transport: string;
    readonly subject?: string | undefined;
}
