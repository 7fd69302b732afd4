/** Who a client is, by its address, the word of a load balancer, or its certificate. */
export interface ClientIdentity {
  /** `ip:port`, IPv6 as `[ip]:port`: its name in envelopes, logs, notices and operations. */
  readonly address: string
  /** Its IP address; an IPv4 client of a dual-stack socket has its plain IPv4 address here. */
  readonly ip: string
  /** Its transport: `tcp`, `websocket`. */
  readonly transport: string
  /** The subject of its verified certificate, if it has shown one: `CN=agent-7,O=Example`. */
  readonly subject?: string | undefined
}
