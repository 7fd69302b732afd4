/** Addresses of this machine on which nothing listens unless a test has something listen there. */

export interface Address {
  readonly host: string
  readonly port: number
}

/** The first of the ports. Each process has its own host, so that the number is free to choose. */
const FIRST_PORT = 24_000

let given = 0

/** Linux has all of 127.0.0.0/8: each process of the tests has a host of its own, from which no outgoing connection takes a port. */
const HOST =
  process.platform === "linux"
    ? `127.${64 + ((process.pid >> 16) & 63)}.${(process.pid >> 8) & 255}.${process.pid & 255}`
    : "127.0.0.1"

/** An address that no other test gets: it stays free while a server is down, and while none has been started. */
export const address = (): Address => ({ host: HOST, port: FIRST_PORT + given++ })
