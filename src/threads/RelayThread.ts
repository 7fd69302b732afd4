/**
 * What a relay thread runs. It listens first, so that clients need not wait for its code to be able to connect, and imports nothing else.
 * Where NATS connects the threads, they listen once they have it.
 */
import type { AddressInfo } from "node:net"
import { parentPort, workerData } from "node:worker_threads"
import { listen, type ListeningServer } from "../transport/ListeningServer.ts"
import { webSocketUrl } from "../transport/websocket/webSocketUrl.ts"
import type { FromThread, ThreadData } from "./Messages.ts"

const { identity, ports, room, values }: ThreadData = workerData

const listening: { [key: string]: ListeningServer } = {}

const post = (message: FromThread): void => parentPort!.postMessage(message)

const begin = async (key: string, host: string, port: number) => {
  const { listen_backlog } = values.hyper_parameters
  try {
    listening[key] = await listen({ host, port }, listen_backlog)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const failure = { host, port, code: code ?? message, ...(key !== "port" && { key }) }
    post({ _tag: "Failed", error: { _tag: "ListenError", ...failure } })
    throw cause
  }
  const { address, port: bound } = listening[key].server.address() as AddressInfo
  return { host: address, port: bound }
}

if (room !== undefined) {
  const address = await begin("port", values.host, ports.port)
  const webSocket =
    ports.webSocketPort === null
      ? undefined
      : await begin("websocket.port", values.websocket.host ?? values.host, ports.webSocketPort)
  const url = webSocket && webSocketUrl(webSocket, values.websocket.path, identity !== undefined)
  post({ _tag: "Listening", where: { address, webSocketUrl: url } })
}

const { run } = await import("./ThreadProgram.ts")
run(listening)
