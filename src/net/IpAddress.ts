import { isIP, isIPv6, type Socket, SocketAddress } from "node:net"

const MAPPED_IPV4 = "::ffff:"

/** Converts an IPv4-mapped IPv6 address, as of a dual-stack socket, to IPv4. */
export const unmapped = (ip: string): string => (ip.startsWith(MAPPED_IPV4) ? ip.slice(MAPPED_IPV4.length) : ip)

/** The canonical form of an IP address; `undefined` for other texts, and for a zone on an address that is not link-local. */
export const canonicalIp = (text: string): string | undefined => {
  if (isIP(text) === 0) return undefined
  if (!isIPv6(text)) return text
  // `SocketAddress` drops the zone.
  const [address, zone] = text.split("%")
  const canonical = unmapped(new SocketAddress({ address: address!, family: "ipv6" }).address)
  if (zone === undefined) return canonical
  return LINK_LOCAL.test(canonical) ? `${canonical}%${zone}` : undefined
}

/** Only link-local addresses of clients have a zone. */
const LINK_LOCAL = /^fe[89ab][0-9a-f]:/

/** `host:port`, with brackets around an IPv6 address. */
export const formatAddress = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

/** The canonical form of `ip:port`; `undefined` for other texts. */
export const canonicalAddress = (text: string): string | undefined => {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const ip = canonicalIp(bracketed ?? plain ?? "")
  return ip === undefined || Number(port) > 65_535 ? undefined : formatAddress(ip, Number(port))
}

/** Who is at the other end, IPv4 clients of a dual-stack socket with their plain IPv4 address; `undefined` if it has gone. */
export const peerOf = (socket: Socket): { readonly address: string; readonly ip: string } | undefined => {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  const ip = unmapped(remoteAddress)
  return { address: formatAddress(ip, remotePort), ip }
}
