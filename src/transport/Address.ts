import type * as Net from "node:net"
import { formatAddress, unmapped } from "../net/IpAddress.ts"

/** Who is at the other end, IPv4 clients of a dual-stack socket with their plain IPv4 address; `undefined` if it has gone. */
export const ofPeer = (socket: Net.Socket): { readonly address: string; readonly ip: string } | undefined => {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  const ip = unmapped(remoteAddress)
  return { address: formatAddress(ip, remotePort), ip }
}
