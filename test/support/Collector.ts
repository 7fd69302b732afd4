import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type * as Loopback from "./Loopback.ts"
import { PATIENCE } from "./patience.ts"

type Attributes = Readonly<Record<string, unknown>>

export interface LogRecord {
  readonly body: unknown
  readonly severity: string
  readonly traceId: string | undefined
}

export interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly parentSpanId: string | undefined
  readonly status: { readonly code: number; readonly message?: string }
  readonly attributes: Attributes
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Attributes }>
}

export interface Request {
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

/** What a collector does with a request: a status, whose text may never end, or nothing at all. */
export type Answer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly isEndless?: boolean }
  | "hang"

/** An OpenTelemetry collector: OTLP/HTTP in JSON. */
export interface Collector {
  readonly endpoint: string
  /** Bytes of the endless answers that were cut. */
  readonly cut: ReadonlyArray<number>
  /** How it answers from now on. */
  answer: (request: Request) => Answer
  /** Everything it was sent, whatever the answer. */
  readonly requests: ReadonlyArray<Request>
  /** Of what it has taken: */
  readonly logs: ReadonlyArray<LogRecord>
  readonly spans: ReadonlyArray<Span>
  readonly metrics: ReadonlyMap<string, unknown>
  readonly resources: ReadonlyArray<Attributes>
  /** Waits until it is so, which is looked at after each request; fails the test after a long time. */
  readonly until: (what: string, condition: () => boolean) => Effect.Effect<void>
}

interface Value {
  readonly stringValue?: string
  readonly intValue?: string | number
  readonly doubleValue?: number
  readonly boolValue?: boolean
}

/** What this collector reads of an export, of whichever signal. */
interface Exported {
  readonly resource: { readonly attributes: List }
  readonly scopeLogs?: ReadonlyArray<{
    readonly logRecords: ReadonlyArray<{
      readonly body: Value
      readonly severityText: string
      readonly traceId: string | undefined
    }>
  }>
  readonly scopeSpans?: ReadonlyArray<{
    readonly spans: ReadonlyArray<
      Omit<Span, "attributes" | "events"> & {
        readonly attributes: List
        readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: List }>
      }
    >
  }>
  readonly scopeMetrics?: ReadonlyArray<{
    readonly metrics: ReadonlyArray<{ readonly name: string; readonly gauge?: Points; readonly sum?: Points }>
  }>
}

interface Points {
  readonly dataPoints: ReadonlyArray<{ readonly asDouble: number }>
}

type List = ReadonlyArray<{ readonly key: string; readonly value: Value }>

const valueOf = (value: Value | undefined): unknown =>
  value?.stringValue ??
  (value?.intValue === undefined ? (value?.doubleValue ?? value?.boolValue) : Number(value.intValue))

const attributesOf = (list: List): Attributes => Object.fromEntries(list.map(({ key, value }) => [key, valueOf(value)]))

/** Starts a collector; it is gone when the scope closes. */
export const start = Effect.fnUntraced(function* ({ host, port }: Loopback.Address = { host: "127.0.0.1", port: 0 }) {
  const requests: Array<Request> = []
  const cut: Array<number> = []
  const logs: Array<LogRecord> = []
  const spans: Array<Span> = []
  const metrics = new Map<string, unknown>()
  const resources: Array<Attributes> = []
  const watchers = new Set<() => void>()

  const take = ({ text }: Request) => {
    const exported = Object.values(JSON.parse(text) as Readonly<Record<string, ReadonlyArray<Exported>>>).flat()
    for (const { resource, scopeLogs = [], scopeMetrics = [], scopeSpans = [] } of exported) {
      resources.push(attributesOf(resource.attributes))
      for (const { logRecords } of scopeLogs) {
        for (const { body, severityText, traceId } of logRecords) {
          logs.push({ body: valueOf(body), severity: severityText, traceId })
        }
      }
      for (const { spans: ended } of scopeSpans) {
        for (const span of ended) {
          const events = span.events.map((event) => ({ ...event, attributes: attributesOf(event.attributes) }))
          spans.push({ ...span, attributes: attributesOf(span.attributes), events })
        }
      }
      for (const { metrics: list } of scopeMetrics) {
        for (const { gauge, name, sum } of list) metrics.set(name, (sum ?? gauge)?.dataPoints[0].asDouble)
      }
    }
  }

  const server = Http.createServer((incoming, outgoing) => {
    let text = ""
    incoming.setEncoding("utf8")
    incoming.on("data", (part: string) => (text += part))
    incoming.on("end", () => {
      const request = { path: incoming.url!, headers: incoming.headers, text }
      requests.push(request)
      const answer = collector.answer(request)
      if (answer !== "hang") {
        if (answer.status < 300) take(request)
        outgoing.writeHead(answer.status, { "content-type": "application/json", ...answer.headers })
        if (answer.isEndless === true) {
          let bytes = 0
          const chunk = Buffer.alloc(16_384, " ")
          const more = () => {
            do bytes += chunk.length
            while (outgoing.write(chunk))
          }
          more()
          outgoing.on("drain", more).on("close", () => {
            cut.push(bytes)
            for (const look of watchers) look()
          })
        } else outgoing.end("{}")
      }
      for (const look of watchers) look()
    })
  })
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(port, host, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
  const collector: Collector = {
    endpoint: `http://${host}:${(server.address() as AddressInfo).port}`,
    answer: () => ({ status: 200 }),
    cut,
    requests,
    logs,
    spans,
    metrics,
    resources,
    until: (what, condition) =>
      Effect.callback<void>((resume) => {
        // Not Effect's clock, which tests may hold.
        const hang = () => resume(Effect.die(new Error(`waited too long for ${what}`)))
        const timer = setTimeout(hang, Duration.toMillis(PATIENCE))
        const look = () => {
          if (condition()) resume(Effect.void)
        }
        watchers.add(look)
        look()
        return Effect.sync(() => {
          watchers.delete(look)
          clearTimeout(timer)
        })
      })
  }
  return collector
})
