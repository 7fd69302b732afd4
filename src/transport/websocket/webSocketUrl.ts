import { formatAddress } from "../../net/IpAddress.ts"

/** Where WebSocket clients come to a server that listens there. */
export const webSocketUrl = (
  { host, port }: { readonly host: string; readonly port: number },
  path: string,
  isTls: boolean
): string => `${isTls ? "wss" : "ws"}://${formatAddress(host, port)}${path}`
