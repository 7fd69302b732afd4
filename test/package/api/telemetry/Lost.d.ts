export interface Lost {
    readonly logRecords: number;
    readonly spans: number;
}
