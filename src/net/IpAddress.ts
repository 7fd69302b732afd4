import { isIP, isIPv6, SocketAddress } from "node:net"

const MAPPED_IPV4 = "::ffff:"

/** An IP address without the form in which a dual-stack socket shows one of IPv4. */
export const unmapped = (ip: string): string => (ip.startsWith(MAPPED_IPV4) ? ip.slice(MAPPED_IPV4.length) : ip)

/** An IP address in the one form in which clients are known by it; `undefined` if the text is none, or has a zone that clients of it never have. */
export const canonicalIp = (text: string): string | undefined => {
  if (isIP(text) === 0) return undefined
  if (!isIPv6(text)) return text
  // The zone, which `SocketAddress` drops.
  const [address, zone] = text.split("%")
  const canonical = unmapped(new SocketAddress({ address: address!, family: "ipv6" }).address)
  if (zone === undefined) return canonical
  return LINK_LOCAL.test(canonical) ? `${canonical}%${zone}` : undefined
}

/** What is the same address in each network that a machine is in: the system shows it, and nothing else, with a zone. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/

/** `host:port`, with brackets around an IPv6 address. */
export const formatAddress = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** `ip:port` in the one form in which a client has it; `undefined` if the text is none. */
export const canonicalAddress = (text: string): string | undefined => {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const ip = canonicalIp(bracketed ?? plain ?? "")
  return ip === undefined || Number(port) > 65_535 ? undefined : formatAddress(ip, Number(port))
}
