import * as IpNetwork from "effect/net/IpNetwork"
import { ipFromString } from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { isIP, isIPv4, isIPv6 } from "node:net"
import { canonicalIp } from "./IpAddress.ts"

export const isNetwork = (text: string): boolean => isIP(text) !== 0 || Result.isSuccess(IpNetwork.fromString(text))

/** The range that an address within it, such as `10.0.0.1/8`, was written for; `undefined` for any other text. */
export const withoutHostBits = (text: string): string | undefined => {
  const [, address, prefix] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  if (address === undefined || isNetwork(text)) return undefined
  const range = Result.flatMap(ipFromString(address), (ip) => IpNetwork.fromAddress(ip, Number(prefix)))
  return Option.getOrUndefined(Option.map(Result.getSuccess(range), IpNetwork.format))
}

export const isLoopback = (host: string): boolean =>
  /^(?:.+\.)?localhost$/i.test(host) || host === "::1" || (isIPv4(host) && host.startsWith("127."))

/** Whether two hosts cannot listen on the same port. Names are compared without resolving them. */
export const overlap = (a: string, b: string): boolean => {
  const [one, other] = [canonicalIp(a) ?? a.toLowerCase(), canonicalIp(b) ?? b.toLowerCase()]
  return one === other || covers(one, other) || covers(other, one)
}

/** `::` includes all IPv4 addresses. */
const covers = (wildcard: string, host: string): boolean =>
  wildcard === "::" || (wildcard === "0.0.0.0" && !isIPv6(host))
