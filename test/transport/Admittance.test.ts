import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as Certificates from "../support/Certificates.ts"
import { noise, start, until } from "../support/Server.ts"
import * as TcpClient from "../support/TcpClient.ts"

const LOCAL = ["127.0.0.1"]

const v1 = (ip: string, port = 4000) => `PROXY TCP4 ${ip} 127.0.0.1 ${port} 8888\r\n`

const v2 = (command: number, ip: string, port: number) =>
  Buffer.concat([
    Buffer.from("\r\n\r\n\0\r\nQUIT\n"),
    Buffer.from([command, 0x11, 0, 12, ...ip.split(".").map(Number), 127, 0, 0, 1, port >> 8, port & 255, 0, 0])
  ])

/** Waits until the client with this address is in the room. */
const inRoom = (lines: ReadonlyArray<string>, address: string) =>
  until(() => lines.some((line) => line.includes(`${address} connected (`)))

const envelope = (address: string, content: string) => JSON.stringify({ remote_addr: address, content })

describe("allow and deny", () => {
  it.live("close a connection that is not allowed without a notice, and count it", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start({ hyper_parameters: { deny: ["127.0.0.0/8"] } })
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* (yield* TcpClient.connect(port)).rest, [])
      assert.strictEqual((yield* relay.stats).incidents["not allowed"], 3)
      assert.deepStrictEqual(noise(lines), ["WARNING connections refused: not allowed; last from 127.0.0.1"])
      assert.notMatch(lines.join("\n"), /connected \(/)
    })
  )

  it.live("change on a reload, and connected clients stay", () =>
    Effect.gen(function* () {
      const { port, reload } = yield* start({})
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(a, b)
      yield* reload({ hyper_parameters: { allow: ["10.0.0.0/8"] } })
      assert.deepStrictEqual(yield* (yield* TcpClient.connect(port)).rest, [])
      a.send("still here\n")
      assert.strictEqual(yield* b.line, TcpClient.envelope(a, "still here"))
      yield* reload({ hyper_parameters: { allow: ["10.0.0.0/8", "127.0.0.1"] } })
      yield* TcpClient.settled(a, yield* TcpClient.connect(port))
    })
  )
})

describe("behind a load balancer", () => {
  it.live("a client is known by the address in the header; what follows in the same segment is its own", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start({ hyper_parameters: { trusted_proxies: LOCAL } })
      const witness = yield* TcpClient.connect(port)
      witness.send(v1("192.0.2.1"))
      yield* inRoom(lines, "192.0.2.1:4000")
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      const seen: Array<string> = []
      while (seen.length < 2) {
        a.send(seen.length === 0 && a.socket.bytesWritten === 0 ? `${v1("192.0.2.7", 4007)}first\n` : "again\n")
        seen.push(yield* witness.line)
      }
      assert.deepStrictEqual(seen, [envelope("192.0.2.7:4007", "first"), envelope("192.0.2.7:4007", "again")])
      b.send(Buffer.concat([v2(0x21, "192.0.2.8", 4008), Buffer.from("second\n")]))
      assert.strictEqual(yield* witness.line, envelope("192.0.2.8:4008", "second"))
      assert.sameMembers(
        (yield* relay.clients).map(({ address }) => address),
        ["192.0.2.1:4000", "192.0.2.7:4007", "192.0.2.8:4008"]
      )
      assert.match(lines.join("\n"), /INFO 192\.0\.2\.8:4008 connected \(3 clients\)/)
    })
  )

  it.live("a header in pieces is a header, and the last line of a client that has gone counts", () =>
    Effect.gen(function* () {
      const { lines, port } = yield* start({ hyper_parameters: { trusted_proxies: LOCAL } })
      const witness = yield* TcpClient.connect(port)
      witness.send(v1("192.0.2.1"))
      yield* inRoom(lines, "192.0.2.1:4000")
      const a = yield* TcpClient.connect(port)
      for (const byte of v2(0x21, "192.0.2.7", 4007)) {
        yield* Effect.callback<void>((resume) => void a.socket.write(Uint8Array.of(byte), () => resume(Effect.void)))
        yield* Effect.yieldNow
      }
      a.socket.end("no line feed")
      assert.strictEqual(yield* witness.line, envelope("192.0.2.7:4007", "no line feed"))
      yield* a.rest
    })
  )

  it.live("checks of the load balancer itself keep its address", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start({
        hyper_parameters: { trusted_proxies: LOCAL, allow: ["192.0.2.0/24"] }
      })
      const witness = yield* TcpClient.connect(port)
      witness.send(v1("192.0.2.1"))
      yield* inRoom(lines, "192.0.2.1:4000")
      for (const header of [v2(0x20, "192.0.2.7", 1), "PROXY UNKNOWN\r\n"]) {
        const check = yield* TcpClient.connect(port)
        check.send(header)
        check.send("hello\n")
        assert.strictEqual(yield* witness.line, TcpClient.envelope(check, "hello"))
      }
      // A check that only connects is no incident.
      const silent = yield* TcpClient.connect(port)
      silent.socket.end()
      yield* silent.rest
      assert.isTrue(Object.values((yield* relay.stats).incidents).every((count) => count === 0))
      assert.deepStrictEqual(noise(lines), [])
    })
  )

  it.live("each connection needs a PROXY header, and a header of others is a line", () =>
    Effect.gen(function* () {
      const { lines, port, relay, reload } = yield* start({ hyper_parameters: { trusted_proxies: LOCAL } })
      for (const text of ["hello\n", `${"x".repeat(200)}`, "PROXY TCP4 1.2.3.4 nonsense\r\n"]) {
        const client = yield* TcpClient.connect(port)
        client.send(text)
        assert.deepStrictEqual(yield* client.rest, [])
      }
      assert.strictEqual((yield* relay.stats).incidents["no PROXY header"], 3)
      assert.deepStrictEqual(noise(lines), ["WARNING connections refused: no PROXY header; last from 127.0.0.1"])
      yield* reload({ hyper_parameters: { trusted_proxies: ["10.0.0.1"] } })
      const a = yield* TcpClient.connect(port)
      const b = yield* TcpClient.connect(port)
      yield* TcpClient.settled(b, a)
      b.send(v1("192.0.2.7"))
      assert.strictEqual(yield* a.line, TcpClient.envelope(b, v1("192.0.2.7").trimEnd()))
    })
  )

  it.live("allow, deny, quarantine and places per address are about the real address", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start({
        hyper_parameters: {
          trusted_proxies: LOCAL,
          allow: ["192.0.2.0/24"],
          deny: ["192.0.2.66"],
          max_clients_per_ip: 2
        }
      })
      const outcome = Effect.fnUntraced(function* (ip: string) {
        const client = yield* TcpClient.connect(port)
        client.send(v1(ip))
        return yield* client.rest
      })
      assert.deepStrictEqual(yield* outcome("192.0.2.66"), [])
      assert.deepStrictEqual(yield* outcome("198.51.100.1"), [])
      assert.strictEqual((yield* relay.stats).incidents["not allowed"], 2)
      yield* relay.quarantine.add("192.0.2.7")
      assert.deepStrictEqual(yield* outcome("192.0.2.7"), [
        "Warning: You are quarantined. Please try again in 300 seconds."
      ])
      const [a, b] = [yield* TcpClient.connect(port), yield* TcpClient.connect(port)]
      a.send(v1("192.0.2.8", 1))
      yield* inRoom(lines, "192.0.2.8:1")
      b.send(`${v1("192.0.2.8", 2)}hello\n`)
      assert.strictEqual(yield* a.line, envelope("192.0.2.8:2", "hello"))
      assert.deepStrictEqual(yield* outcome("192.0.2.8"), ["Warning: Server is full. Please try again later."])
    })
  )

  it.live("who is force-disconnected is quarantined by the real address", () =>
    Effect.gen(function* () {
      const { lines, port, relay } = yield* start({
        hyper_parameters: { trusted_proxies: LOCAL, backpressure_policy: { disconnect_threshold: 1 } }
      })
      const [a, b] = [yield* TcpClient.connect(port), yield* TcpClient.connect(port)]
      a.send(v1("192.0.2.7"))
      yield* inRoom(lines, "192.0.2.7:4000")
      b.send(`${v1("192.0.2.8")}too many for me\n`)
      yield* b.rest
      assert.deepStrictEqual(
        (yield* relay.quarantine.list).map(({ key }) => key),
        ["192.0.2.8"]
      )
    })
  )

  it.live("a deny list holds for load balancers, too", () =>
    Effect.gen(function* () {
      const { port, relay } = yield* start({ hyper_parameters: { trusted_proxies: LOCAL, deny: LOCAL } })
      const client = yield* TcpClient.connect(port)
      assert.deepStrictEqual(yield* client.rest, [])
      assert.strictEqual((yield* relay.stats).incidents["not allowed"], 1)
    })
  )
})

/** A connection whose first segment begins with these bytes. */
const beginningWith = Effect.fnUntraced(function* (port: number, bytes: string | Uint8Array) {
  const raw = Net.connect({ port, host: "127.0.0.1" })
  yield* Effect.addFinalizer(() => Effect.sync(() => raw.destroy()))
  let header = Buffer.from(bytes as string)
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      raw.write(Buffer.concat([header, chunk]), done)
      header = Buffer.alloc(0)
    }
  })
  raw.on("data", (chunk) => stream.push(chunk)).on("close", () => stream.push(null))
  return stream
})

describe.skipIf(!Certificates.hasOpenssl)(`TLS behind a load balancer${Certificates.withOpenssl}`, () => {
  it.live("has the header before the handshake, in the same segment", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({ tls: certificates.config, hyper_parameters: { trusted_proxies: LOCAL } })
      const connect = Effect.fnUntraced(function* (header: string | Uint8Array) {
        const socket = yield* beginningWith(port, header)
        return yield* TcpClient.connect(port, { tls: { ...certificates.client(), socket } })
      })
      const a = yield* connect(v1("192.0.2.7"))
      const b = yield* connect(v2(0x21, "192.0.2.8", 4000))
      while ((yield* relay.clients).length < 2) yield* Effect.sleep("5 millis")
      b.send("hello\n")
      assert.strictEqual(yield* a.line, envelope("192.0.2.8:4000", "hello"))
    })
  )

  it.live("spends no handshake on who is refused anyway", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({
        tls: certificates.config,
        hyper_parameters: { trusted_proxies: LOCAL, allow: ["192.0.2.0/24"] }
      })
      yield* relay.quarantine.add("192.0.2.7")
      for (const ip of ["192.0.2.7", "198.51.100.1"]) {
        const client = yield* TcpClient.connect(port)
        client.send(v1(ip))
        assert.deepStrictEqual(yield* client.rest, [])
      }
      const { incidents } = yield* relay.stats
      assert.strictEqual(incidents.quarantined, 1)
      assert.strictEqual(incidents["not allowed"], 1)
    })
  )
})
