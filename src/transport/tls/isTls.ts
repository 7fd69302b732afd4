import type * as Net from "node:net"
import type * as Tls from "node:tls"

/** As `instanceof TLSSocket`, without a start that loads `node:tls` (20 ms): who uses TLS asks for it with `process.getBuiltinModule`. */
export const isTls = (socket: Net.Socket): socket is Tls.TLSSocket => (socket as Tls.TLSSocket).encrypted === true
