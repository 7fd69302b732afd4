import type * as Net from "node:net"
import { formatAddress } from "../relay/Listener.ts"

const MAPPED_IPV4 = "::ffff:"

/** Who is at the other end, IPv4 clients of a dual-stack socket with their plain IPv4 address; `undefined` if it has gone. */
export const ofPeer = (socket: Net.Socket): { readonly address: string; readonly ip: string } | undefined => {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  const ip = remoteAddress.startsWith(MAPPED_IPV4) ? remoteAddress.slice(MAPPED_IPV4.length) : remoteAddress
  return { address: formatAddress(ip, remotePort), ip }
}
