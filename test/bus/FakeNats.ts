/** A server of NATS that allows everything but what a test says, and complains when it is told to. It delivers nothing. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** A server on a free port; it is gone when the scope closes. */
export const make = Effect.gen(function* () {
  /** What it says to a command that begins so. */
  const answers = new Map<string, string>()
  const sockets = new Set<Net.Socket>()
  let onPing = () => {}

  const server = Net.createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    // Whoever has seen what he wanted to see goes without a word.
    socket.on("error", () => {})
    socket.write('INFO {"server_id":"fake","version":"2.9.0","proto":1,"max_payload":1048576}\r\n')
    let rest = ""
    socket.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\r\n")
      rest = lines.pop()!
      for (const line of lines) {
        for (const [start, answer] of answers) if (line.startsWith(start)) socket.write(`-ERR '${answer}'\r\n`)
        if (line !== "PING") continue
        socket.write("PONG\r\n")
        onPing()
      }
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  const toAll = (line: string) => {
    for (const socket of sockets) socket.write(`${line}\r\n`)
  }
  return {
    port: (server.address() as Net.AddressInfo).port,
    answers,
    complain: (about: string) => toAll(`-ERR '${about}'`),
    /** Done once what was said before has been read: the next question comes later than that. */
    settled: Effect.callback<void>((resume) => {
      let asked = 0
      onPing = () => {
        // The first one may have been on its way.
        if (++asked < 2) return
        onPing = () => {}
        resume(Effect.void)
      }
    })
  }
})
