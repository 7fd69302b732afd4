/** A server of NATS that allows everything but what a test says, and complains when it is told to. It delivers nothing. */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

/** A server on a free port; it is gone when the scope closes. */
export const make = Effect.gen(function* () {
  /** What it says to a command that begins so. */
  const answers = new Map<string, string>()
  const sockets = new Set<Net.Socket>()
  const self = {
    /** What becomes of a question whether what was published has arrived. */
    onQuestion: "answer" as "answer" | "silence" | "end",
    /** What it says of itself. */
    info: { server_id: "fake", version: "2.9.0", proto: 1, max_payload: 1_048_576, connect_urls: [] as Array<string> },
    /** Called with what clients send, line by line. */
    onLine: (_line: string) => {}
  }

  const server = Net.createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    // Whoever has seen what he wanted to see goes without a word.
    socket.on("error", () => {})
    socket.write(`INFO ${JSON.stringify(self.info)}\r\n`)
    let rest = ""
    let hasPublished = false
    socket.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\r\n")
      rest = lines.pop()!
      for (const line of lines) {
        self.onLine(line)
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
    complain: (about: string) => toAll(`-ERR '${about}'`),
    /** Answers the questions that it has left open, and those to come. */
    answer: () => {
      self.onQuestion = "answer"
      toAll("PONG")
    },
    /** Asks its clients to leave. */
    retire: () => toAll(`INFO ${JSON.stringify({ ...self.info, ldm: true })}`)
  })
})
