/** A server of NATS that allows everything but what a test says, and complains when it is told to. It delivers nothing. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** A server on a free port; it is gone when the scope closes. */
export const make = Effect.gen(function* () {
  /** What it says to a command that begins so. */
  const answers = new Map<string, string>()
  const sockets = new Set<Net.Socket>()
  /** What becomes of a question whether what was published has arrived. */
  const self = { onQuestion: "answer" as "answer" | "silence" | "end" }

  const server = Net.createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    // Whoever has seen what he wanted to see goes without a word.
    socket.on("error", () => {})
    socket.write('INFO {"server_id":"fake","version":"2.9.0","proto":1,"max_payload":1048576}\r\n')
    let rest = ""
    let hasPublished = false
    socket.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\r\n")
      rest = lines.pop()!
      for (const line of lines) {
        for (const [start, answer] of answers) if (line.startsWith(start)) socket.write(`-ERR '${answer}'\r\n`)
        if (line.startsWith("PUB ")) hasPublished = true
        if (line !== "PING") continue
        if (hasPublished && self.onQuestion === "silence") continue
        if (hasPublished && self.onQuestion === "end") socket.destroy()
        socket.write("PONG\r\n")
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
  return Object.assign(self, {
    connections: () => sockets.size,
    port: (server.address() as Net.AddressInfo).port,
    answers,
    complain: (about: string) => toAll(`-ERR '${about}'`)
  })
})
