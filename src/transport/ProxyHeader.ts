/**
 * The PROXY protocol, versions 1 and 2: the few bytes with which a load balancer says on whose behalf it connects.
 *
 * https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
 */
import * as Effect from "effect/Effect"
import { isIPv4, isIPv6, type Socket } from "node:net"
import type { ClientIdentity } from "../net/ClientIdentity.ts"
import { canonicalIp, formatAddress } from "../net/IpAddress.ts"
import * as Incidents from "../session/Incidents.ts"
import * as FirstBytes from "./FirstBytes.ts"
import { type ConnectionRefused, type PeerGone, refused } from "./Refusal.ts"

export const NO_PROXY_HEADER = Incidents.define("connection", "no_proxy_header", "no PROXY header")

/** On whose behalf a load balancer connects. */
type Source = Pick<ClientIdentity, "address" | "ip">

export type Parsed =
  /** It may become a header. */
  | { readonly _tag: "Incomplete" }
  | { readonly _tag: "Invalid" }
  | {
      readonly _tag: "Header"
      /** Bytes of it; what follows is the client's. */
      readonly length: number
      /** `undefined`: the load balancer speaks for itself, or cannot tell for whom. */
      readonly client: Source | undefined
    }

/** The longest header of version 1, its line feed included. */
const MAX_V1_BYTES = 107

/** What a header of version 2 may say that follows its first 16 bytes: addresses, and what else its sender wants to tell. */
const MAX_V2_REST_BYTES = 4096

const V1_BEGINNING = Buffer.from("PROXY ")
const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n")
const V2_FIXED_BYTES = 16

const INCOMPLETE: Parsed = { _tag: "Incomplete" }
const INVALID: Parsed = { _tag: "Invalid" }

/**
 * Takes the header off the beginning of a connection.
 *
 * @returns `undefined` if the load balancer speaks for itself; fails with `ConnectionRefused` if it does not begin with a header, or with `PeerGone`
 */
export const read = (socket: Socket): Effect.Effect<Source | undefined, ConnectionRefused | PeerGone> =>
  Effect.flatMap(FirstBytes.read(socket, take), (header) =>
    header._tag === "Invalid" ? refused(NO_PROXY_HEADER) : Effect.succeed(header.client)
  )

const take = (bytes: Buffer): FirstBytes.Finding<Exclude<Parsed, { _tag: "Incomplete" }>> | undefined => {
  const value = parse(bytes)
  if (value._tag === "Incomplete") return undefined
  return { value, consumed: value._tag === "Header" ? value.length : 0 }
}

/** Reads the header at the beginning of `bytes`. Once it is not `Incomplete`, more bytes make it nothing else. */
export const parse = (bytes: Buffer): Parsed => {
  if (beginsLike(bytes, V2_SIGNATURE)) return parseV2(bytes)
  if (beginsLike(bytes, V1_BEGINNING)) return parseV1(bytes)
  return INVALID
}

/** Whether one of them begins with the other. */
const beginsLike = (bytes: Buffer, beginning: Buffer): boolean => {
  const length = Math.min(bytes.length, beginning.length)
  return bytes.compare(beginning, 0, length, 0, length) === 0
}

const parseV1 = (bytes: Buffer): Parsed => {
  const end = bytes.subarray(0, MAX_V1_BYTES).indexOf("\n")
  if (end === -1) return bytes.length < MAX_V1_BYTES ? INCOMPLETE : INVALID
  const length = end + 1
  const line = bytes.toString("latin1", 0, length)
  if (/^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/.test(line)) return { _tag: "Header", length, client: undefined }
  const [, family, source, destination, port] =
    /^PROXY TCP([46]) ([^ ]+) ([^ ]+) (\d{1,5}) \d{1,5}\r\n$/.exec(line) ?? []
  const isOfFamily = family === "4" ? isIPv4 : isIPv6
  if (source === undefined || !isOfFamily(source) || !isOfFamily(destination!) || Number(port) > 65_535) return INVALID
  return headerOf(length, source, Number(port))
}

const parseV2 = (bytes: Buffer): Parsed => {
  const [version, command] = bytes.length > 12 ? [bytes[12]! >> 4, bytes[12]! & 15] : [2, LOCAL]
  const [family, transport] = bytes.length > 13 ? [bytes[13]! >> 4, bytes[13]! & 15] : [0, 0]
  if (version !== 2 || command > PROXY || family > 3 || transport > 2) return INVALID
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE
  const rest = bytes.readUInt16BE(14)
  const addressBytes = transport === STREAM ? (ADDRESS_BYTES[family] ?? 0) : 0
  const isNamed = command === PROXY && addressBytes > 0
  if (rest > MAX_V2_REST_BYTES || (isNamed && rest < 2 * (addressBytes + PORT_BYTES))) return INVALID
  const length = V2_FIXED_BYTES + rest
  if (bytes.length < length) return INCOMPLETE
  if (!isNamed) return { _tag: "Header", length, client: undefined }
  const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + addressBytes)
  return headerOf(length, textOf(source), bytes.readUInt16BE(V2_FIXED_BYTES + 2 * addressBytes))
}

const LOCAL = 0
const PROXY = 1
const STREAM = 1
const PORT_BYTES = 2

/** By family: unspecified, IPv4, IPv6. The fourth, of Unix sockets, has no addresses that mean anything here. */
const ADDRESS_BYTES = [0, 4, 16, 0]

const textOf = (address: Buffer): string =>
  address.length === 4 ? address.join(".") : address.toString("hex").replace(/....(?=.)/g, "$&:")

const headerOf = (length: number, source: string, port: number): Parsed => {
  const ip = canonicalIp(source)
  return ip === undefined ? INVALID : { _tag: "Header", length, client: { address: formatAddress(ip, port), ip } }
}
