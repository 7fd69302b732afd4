import * as Result from "effect/Result"
import * as IpNetwork from "effect/net/IpNetwork"
import { isIP, isIPv4, isIPv6 } from "node:net"
import { canonicalIp } from "./IpAddress.ts"

/** Whether a text is an IP address, or a range of them in CIDR notation. */
export const isNetwork = (text: string): boolean => isIP(text) !== 0 || Result.isSuccess(IpNetwork.fromString(text))

/** Whether only this machine can reach what listens on a host. */
export const isLoopback = (host: string): boolean =>
  /^(?:.+\.)?localhost$/i.test(host) || host === "::1" || (isIPv4(host) && host.startsWith("127."))

/** Whether who listens on one host takes the port from who listens on the other. Names are what they are: nobody is asked. */
export const overlap = (a: string, b: string): boolean => {
  const [one, other] = [canonicalIp(a) ?? a.toLowerCase(), canonicalIp(b) ?? b.toLowerCase()]
  return one === other || covers(one, other) || covers(other, one)
}

/** `::` has the addresses of IPv4 too. */
const covers = (wildcard: string, host: string): boolean =>
  wildcard === "::" || (wildcard === "0.0.0.0" && !isIPv6(host))
