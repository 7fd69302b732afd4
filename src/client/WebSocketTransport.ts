import type { Options } from "./Client.ts"
import { MAX_LINE_BYTES } from "./Incoming.ts"
import type { Open } from "./Transport.ts"

/** A connection with less than this unsent takes more, in bytes. */
const HIGH_WATER_BYTES = 65_536

/** A WebSocket tells nobody when it has sent something, so it is asked. */
const POLL_MILLIS = 10

const NORMAL = 1000

/** Returns the URL, or throws a `TypeError` for one that is not for a WebSocket, and for an option that it cannot obey. */
export const check = (url: string, { whenFull }: Options): string => {
  if (!/^wss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new TypeError(`${JSON.stringify(url)} is no URL of a WebSocket; expected ws://host:port/`)
  }
  if (whenFull === "pause") throw new TypeError(`whenFull: "pause" is not for WebSocket, which cannot be paused`)
  return url
}

/** Connects by the `WebSocket` of the runtime: a browser, or Node.js from version 22 on. */
export const open: Open = (url, { onClose, onLine, onWritable }, signal) =>
  new Promise((resolve, reject) => {
    if (typeof WebSocket === "undefined") {
      return reject(new Error("there is no WebSocket here; Node.js has it from version 22 on"))
    }
    const socket = new WebSocket(url)
    let isOpen = false
    let isEnding = false
    let polling: ReturnType<typeof setInterval> | undefined
    const poll = () => {
      if (socket.bufferedAmount >= HIGH_WATER_BYTES) return
      clearInterval(polling)
      polling = undefined
      onWritable()
    }
    const close = (reason: string | undefined, isFlushed: boolean) => {
      clearInterval(polling)
      signal.removeEventListener("abort", abort)
      socket.onopen = socket.onmessage = socket.onclose = null
      if (isOpen) onClose(reason, isFlushed)
      else reject(new Error(reason ?? "the server closed it"))
    }
    const destroy = (reason: string) => {
      socket.close()
      close(reason, false)
    }
    const abort = () => destroy("given up")
    signal.addEventListener("abort", abort)
    socket.onopen = () => {
      isOpen = true
      signal.removeEventListener("abort", abort)
      resolve({
        write: (line) => {
          socket.send(line as string | Uint8Array<ArrayBuffer>)
          if (socket.bufferedAmount < HIGH_WATER_BYTES) return true
          polling ??= setInterval(poll, POLL_MILLIS)
          return false
        },
        end: () => {
          isEnding = true
          socket.close(NORMAL)
        },
        destroy: () => destroy("given up")
      })
    }
    socket.onmessage = ({ data }) => {
      const line = String(data)
      if (line.length > MAX_LINE_BYTES) onLine(line.slice(0, MAX_LINE_BYTES), true)
      else onLine(line, false)
    }
    socket.onclose = ({ code, wasClean }) => {
      if (wasClean && isOpen) return close(undefined, isEnding && code === NORMAL)
      // The runtime keeps the reason to itself.
      close(isOpen ? "the connection was cut off" : "there is no WebSocket, or it refuses this page", false)
    }
  })
