import * as Net from "node:net"
import type * as Tls from "node:tls"
import { IncomingLines, text } from "./IncomingLines.ts"
import { reasonOf } from "./systemErrors.ts"
import * as Target from "./Target.ts"
import type { Open } from "./Transport.ts"

/** Without traffic, only TCP keep-alive detects that the server is gone. */
const KEEP_ALIVE_MILLIS = 30_000

/** The first line of the WebSocket or the admin port. */
const HTTP = /^HTTP\/1\.[01] /

const LINE_FEED = Buffer.from("\n")

/** Connects by TCP, or by TLS for `tls://`. */
export const open =
  (tls: Tls.ConnectionOptions = {}): Open =>
  (url, { onClose, onLine, onWritable }, signal) =>
    new Promise((resolve, reject) => {
      const { host, isTls, port } = Target.parseUrl(url)!
      const options = { host, port, allowHalfOpen: true, noDelay: true }
      const servername = Net.isIP(host) === 0 ? { servername: host } : {}
      const socket = isTls
        ? process.getBuiltinModule("node:tls").connect({ ...options, ...servername, ...tls })
        : Net.connect(options)
      const incoming = new IncomingLines()
      let isOpen = false
      let isHttp: boolean | undefined
      let isCorked = false
      const show = (lines: ReturnType<IncomingLines["push"]>) => {
        for (const line of lines) {
          const content = text(line)
          isHttp ??= HTTP.test(content)
          onLine(content, line.isCut)
        }
      }
      const end = (reason?: string) => {
        // The first reason counts: what is destroyed below closes once more.
        socket.removeAllListeners("end").removeAllListeners("close").off("data", onData)
        signal.removeEventListener("abort", abort)
        socket.destroy()
        if (!isOpen) return reject(new Error(reason ?? "the server closed it"))
        show(incoming.end())
        if (isHttp) return onClose("it speaks HTTP: is this the port of WebSocket, or of the admin server?", false)
        onClose(reason, reason === undefined && socket.writableEnded && socket.writableLength === 0)
      }
      const abort = () => end("given up")
      const onData = (chunk: Buffer) => show(incoming.push(chunk))
      signal.addEventListener("abort", abort)
      socket.setKeepAlive(true, KEEP_ALIVE_MILLIS)
      socket.once(isTls ? "secureConnect" : "connect", () => {
        isOpen = true
        signal.removeEventListener("abort", abort)
        resolve({
          write: (line) => {
            if (!isCorked) {
              isCorked = true
              socket.cork()
              // All lines of a turn in one write.
              process.nextTick(() => {
                isCorked = false
                socket.uncork()
              })
            }
            if (typeof line === "string") return socket.write(`${line}\n`)
            socket.write(line)
            return socket.write(LINE_FEED)
          },
          end: () => void socket.end(),
          destroy: () => end("given up"),
          setPaused: (isPaused) => void (isPaused ? socket.pause() : socket.resume())
        })
      })
      socket.on("drain", onWritable).on("data", onData)
      socket.once("end", () => end()).once("close", () => end("the connection was closed"))
      socket.on("error", (error) => end(reasonOf(error)))
    })
