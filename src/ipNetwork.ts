import * as Result from "effect/Result"
import * as IpNetwork from "effect/net/IpNetwork"
import { isIP, isIPv4 } from "node:net"

/** Whether a text is an IP address, or a range of them in CIDR notation. */
export const isNetwork = (text: string): boolean => isIP(text) !== 0 || Result.isSuccess(IpNetwork.fromString(text))

/** Whether only this machine can reach what listens on a host. */
export const isLoopback = (host: string): boolean =>
  /^(?:.+\.)?localhost$/i.test(host) || host === "::1" || (isIPv4(host) && host.startsWith("127."))
