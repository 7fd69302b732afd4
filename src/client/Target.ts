import * as Net from "node:net"
import { formatAddress } from "../net/IpAddress.ts"

export interface Target {
  readonly host: string
  readonly port: number
}

export const defaults: Target = { host: "127.0.0.1", port: 8888 }

/** The forms that `parse` accepts, for an error. */
export const EXPECTED =
  "an address such as localhost:8888, localhost, :9000, 9000 or [::1]:9000, with a port from 1 to 65535"

/** Parses `host:port`, `host`, `:port`, `port`, `[ipv6]:port`, `[ipv6]` or a bare IPv6 address, completed from `defaults`. */
export const parse = (text: string): Target | undefined => {
  // The last group of a bare IPv6 address is never a port: a port requires brackets.
  if (Net.isIPv6(text)) return { ...defaults, host: text }
  if (/^\d+$/.test(text)) return target(defaults.host, text)
  const match = /^(?:\[([^\]]+)\]|([\p{L}\p{N}_.-]*))(?::(\d+))?$/u.exec(text)
  if (match === null || text === "") return undefined
  const [, bracketed, name, port] = match
  if (bracketed !== undefined && !Net.isIPv6(bracketed)) return undefined
  return target(bracketed ?? (name || defaults.host), port ?? String(defaults.port))
}

const target = (host: string, digits: string): Target | undefined => {
  const port = Number(digits)
  return port >= 1 && port <= 65_535 ? { host, port } : undefined
}

export const format = ({ host, port }: Target): string => formatAddress(host, port)

/** Parses `tcp://host:port` or `tls://host:port`; `undefined` for other texts. `URL` knows no zones, and encodes names of hosts. */
export const parseUrl = (url: string): (Target & { readonly isTls: boolean }) | undefined => {
  const [, scheme, address] = /^(tcp|tls):\/\/([^/]+)\/?$/.exec(url) ?? []
  const target = parse(address ?? "")
  return target === undefined ? undefined : { ...target, isTls: scheme === "tls" }
}
