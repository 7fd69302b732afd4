import type * as Net from "node:net"

/**
 * Whether nothing more comes from a socket, and nobody who listens from now on is told so. Node reads ahead also while a socket is
 * paused, so that its end may come before whoever is to read it.
 */
export const hasEnded = (socket: Net.Socket): boolean => socket.readableEnded || socket.destroyed
