import { isIP, isIPv6, SocketAddress } from "node:net"

const MAPPED_IPV4 = "::ffff:"

/** An IP address without the form in which a dual-stack socket shows one of IPv4. */
export const unmapped = (ip: string): string => (ip.startsWith(MAPPED_IPV4) ? ip.slice(MAPPED_IPV4.length) : ip)

/** An IP address in the one form in which clients are known by it; `undefined` if the text is none. */
export const canonicalIp = (text: string): string | undefined => {
  if (isIP(text) === 0) return undefined
  if (!isIPv6(text)) return text
  // The zone of a link-local address, which `SocketAddress` drops.
  const [address, zone] = text.split("%")
  const canonical = unmapped(new SocketAddress({ address: address!, family: "ipv6" }).address)
  return zone === undefined ? canonical : `${canonical}%${zone}`
}

/** `host:port`, with brackets around an IPv6 address. */
export const formatAddress = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** `ip:port` in the one form in which a client has it; `undefined` if the text is none. */
export const canonicalAddress = (text: string): string | undefined => {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const ip = canonicalIp(bracketed ?? plain ?? "")
  return ip === undefined || Number(port) > 65_535 ? undefined : formatAddress(ip, Number(port))
}
