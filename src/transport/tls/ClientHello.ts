import * as Incidents from "../../session/Incidents.ts"

export const TLS_ON_PLAIN_PORT = Incidents.define("connection", "tls_on_plain_port", "TLS on the plain-text port")

/** The TLS record type of a handshake: the first byte of every TLS connection. */
export const HANDSHAKE_RECORD = 0x16

const CLIENT_HELLO = 1

/** Length of the headers of a record and of the handshake message in it. */
const RECORD_HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4

/**
 * Whether a connection begins with TLS. Strict, so that no line of text is mistaken for it: the message must fill its record, as with
 * every client, and claim an existing version of TLS.
 *
 * @param bytes the first bytes of the connection; `false` for fewer than 11
 */
export const isClientHello = (bytes: Uint8Array): boolean => {
  if (bytes[0] !== HANDSHAKE_RECORD || bytes.length < RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES + 2) return false
  const recordBytes = (bytes[3]! << 8) | bytes[4]!
  const messageBytes = (bytes[6]! << 16) | (bytes[7]! << 8) | bytes[8]!
  return (
    isVersion(bytes[1]!, bytes[2]!) &&
    bytes[5] === CLIENT_HELLO &&
    messageBytes + MESSAGE_HEADER_BYTES === recordBytes &&
    isVersion(bytes[9]!, bytes[10]!)
  )
}

const isVersion = (major: number, minor: number): boolean => major === 3 && minor <= 4
