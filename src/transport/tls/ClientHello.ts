import * as Incidents from "../../session/Incidents.ts"

export const TLS_ON_PLAIN_PORT = Incidents.define("connection", "tls_on_plain_port", "TLS on the plain-text port")

/** The type of a TLS record that carries a handshake: the first byte of whoever speaks TLS. */
export const HANDSHAKE_RECORD = 0x16

const CLIENT_HELLO = 1

/** Bytes of a record's header, and of the header of the handshake message in it. */
const RECORD_HEADER_BYTES = 5
const MESSAGE_HEADER_BYTES = 4

/**
 * Whether somebody begins with TLS, so certainly that no line of text is taken for it: the message has to fill its record, as every
 * client has it, and to claim a version of TLS that exists.
 *
 * @param bytes the first that have arrived; fewer than 11 are not enough to tell
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
