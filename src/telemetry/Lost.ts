/** Telemetry dropped since the start of the server. */
export interface Lost {
  readonly logRecords: number
  readonly spans: number
}
