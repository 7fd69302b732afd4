import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Net from "node:net"
import { Duplex } from "node:stream"
import * as Tls from "node:tls"
import * as Certificates from "../../support/Certificates.ts"
import { noise, start, until } from "../../support/Server.ts"
import * as TcpClient from "../../support/TcpClient.ts"

/** How the attempt to connect ends that must not succeed: the connection is closed, whatever came before. */
const refused = (port: number, tls: Tls.ConnectionOptions) =>
  Effect.callback<string>((resume) => {
    const socket = Tls.connect({ port, host: "127.0.0.1", ...tls })
    let text = ""
    let code = ""
    socket.setEncoding("utf8").on("data", (data: string) => (text += data))
    socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code ?? error.message))
    socket.once("close", () => resume(Effect.succeed(text + code)))
    return Effect.sync(() => socket.destroy())
  })

describe.skipIf(!Certificates.hasOpenssl)(`TLS${Certificates.withOpenssl}`, () => {
  it.live.each(["TLSv1.2", "TLSv1.3"] as const)("relays between clients that speak %s", (version) =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, relay } = yield* start({ tls: certificates.config })
      const tls = { ...certificates.client(), maxVersion: version }
      const a = yield* TcpClient.connect(port, { tls })
      const b = yield* TcpClient.connect(port, { tls })
      assert.strictEqual((a.socket as Tls.TLSSocket).getProtocol(), version)
      yield* TcpClient.settled(a, b)
      a.send("hello\nworld\n")
      assert.deepStrictEqual(yield* b.lines(2), [TcpClient.envelope(a, "hello"), TcpClient.envelope(a, "world")])
      for (const client of yield* relay.clients) assert.notProperty(client, "subject")
      assert.match(lines.join("\n"), /INFO TLS as CN=localhost,O=Example, until \d{4}-/)
    })
  )

  it.live("takes what a client sends at once with the end of its handshake, and in any pieces", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port } = yield* start({ tls: certificates.config })
      const b = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* until(() => lines.some((line) => line.includes(`${b.address} connected`)))
      const raw = Net.connect({ port, host: "127.0.0.1" })
      yield* Effect.addFinalizer(() => Effect.sync(() => raw.destroy()))
      const slow = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          for (let i = 0; i < chunk.length; i += 7) raw.write(chunk.subarray(i, i + 7))
          done()
        }
      })
      raw.setNoDelay(true).on("data", (chunk) => slow.push(chunk))
      const a = Tls.connect({ socket: slow, ...certificates.client() })
      a.write("early\n")
      assert.match(yield* b.line, /"content":"early"/)
    })
  )

  it.live("delivers what is on its way to a client that has ended its side", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port } = yield* start({ tls: certificates.config })
      const a = yield* TcpClient.connect(port, { tls: certificates.client() })
      const b = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* TcpClient.settled(a, b)
      yield* TcpClient.settled(b, a)
      const content = "x".repeat(60_000)
      b.socket.pause()
      for (let i = 0; i < 100; i++) a.send(`${content}\n`)
      yield* until(() => lines.filter((line) => line.includes(content)).length === 100)
      a.socket.end("last words, without a line feed")
      b.socket.end()
      b.socket.resume()
      const rest = yield* b.rest
      assert.strictEqual(rest.filter((line) => line === TcpClient.envelope(a, content)).length, 100)
      yield* a.rest
      yield* until(() => lines.some((line) => line.includes(`${a.address} disconnected: closed by the client`)))
      yield* until(() => lines.some((line) => line.includes(`${b.address} disconnected: closed by the client`)))
    })
  )

  it.live("bounds what waits for a client that never reads, and disconnects it", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const slow_consumer = { soft_limit_bytes: 65_536, hard_limit_bytes: 1_048_576, stall_grace_ms: 0 }
      const { lines, port, relay } = yield* start({
        tls: certificates.config,
        logger: { log_level: "INFO" },
        hyper_parameters: { slow_consumer, rate_limit_msgs_per_minute: 1_000_000 }
      })
      const a = yield* TcpClient.connect(port, { tls: certificates.client() })
      const b = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* TcpClient.settled(a, b)
      const witness = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* TcpClient.settled(a, witness)
      b.socket.pause()
      const content = "x".repeat(60_000)
      let most = 0
      // The log has all contents, too.
      while (!lines.some((line) => line.slice(0, 100).includes(`${b.address} disconnected: reading too slowly`))) {
        a.send(`${content}\n`)
        // Once it is there, it was also given to the other one.
        while ((yield* witness.line) !== TcpClient.envelope(a, content)) continue
        for (const { bytesWaiting } of yield* relay.clients) most = Math.max(most, bytesWaiting)
      }
      assert.isAbove(most, 65_536)
      assert.isAtMost(most, 1_048_576)
      yield* TcpClient.settled(a, yield* TcpClient.connect(port, { tls: certificates.client() }))
    })
  )

  it.live("has the shutdown notice for its clients, and none for a connection without a handshake", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(start({ tls: certificates.config }), scope)
      const a = yield* TcpClient.connect(port, { tls: certificates.client() })
      const b = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* TcpClient.settled(a, b)
      a.socket.once("end", () => a.socket.end())
      // It never says a word.
      const silent = yield* TcpClient.connect(port)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* a.rest, ["Warning: Server is shutting down."])
      assert.deepStrictEqual(yield* b.rest, ["Warning: Server is shutting down."])
      assert.deepStrictEqual(yield* silent.rest, [])
    })
  )

  it.live("refuses versions that are too old", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({ tls: { ...certificates.config, min_version: "TLSv1.3" } })
      const old = { ...certificates.client(), maxVersion: "TLSv1.2" as const }
      assert.strictEqual(yield* refused(port, old), "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION")
      assert.strictEqual((yield* relay.stats).incidents["TLS handshake failed"], 1)
      yield* TcpClient.connect(port, { tls: certificates.client() })
    })
  )

  it.live("takes over renewed files on a reload, and drops nobody", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, reload } = yield* start({ tls: certificates.config })
      const serial = ({ socket }: TcpClient.TcpClient) => (socket as Tls.TLSSocket).getPeerCertificate().serialNumber
      const connect = TcpClient.connect(port, { tls: certificates.client() })
      const before = yield* connect
      // Halfway between the two.
      const silent = yield* TcpClient.connect(port)
      certificates.signed("server", "/O=Example/CN=renewed", "server.ext", 20)
      yield* reload()
      const after = yield* connect
      assert.notStrictEqual(serial(before), serial(after))
      yield* TcpClient.settled(before, after)
      yield* TcpClient.settled(after, before)
      assert.match(lines.join("\n"), /INFO TLS as CN=renewed,O=Example, until/)
      assert.match(
        lines.join("\n"),
        /WARNING tls\.cert: \S+server\.pem expires in 19 days, on \S+: renew it and reload \(SIGHUP\)/
      )
      assert.isFalse(silent.socket.readableEnded)
    })
  )

  it.live("goes on with the files it has when the renewed ones are of no use", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, reload } = yield* start({ tls: certificates.config })
      certificates.write("server-key.pem", certificates.read("client-key.pem"))
      yield* reload()
      assert.match(
        lines.join("\n"),
        /ERROR the TLS certificate was not renewed: tls\.key: expected the private key of the first certificate in \S+server\.pem, found \S+server-key\.pem, which belongs to another/
      )
      yield* TcpClient.connect(port, { tls: certificates.client() })
    })
  )
})

describe.skipIf(!Certificates.hasOpenssl)(`client certificates${Certificates.withOpenssl}`, () => {
  const serve = Effect.fnUntraced(function* (request_client_cert: true | "optional") {
    const certificates = yield* Certificates.make
    const tls = { ...certificates.config, ca: certificates.path("ca.pem"), request_client_cert }
    return { certificates, ...(yield* start({ tls })) }
  })

  it.live.each(["TLSv1.2", "TLSv1.3"] as const)(
    "are required, and have to be of the right authority (%s)",
    (maxVersion) =>
      Effect.gen(function* () {
        const { certificates, lines, port, relay } = yield* serve(true)
        const known = yield* TcpClient.connect(port, { tls: { ...certificates.client("client"), maxVersion } })
        yield* until(() => lines.some((line) => line.includes(`${known.address} (CN=agent-7,O=Example) connected`)))
        for (const name of ["stranger", undefined]) {
          assert.match(
            yield* refused(port, { ...certificates.client(name), maxVersion }),
            /^(ERR_SSL_|ECONNRESET|EPIPE|$)/
          )
        }
        assert.deepStrictEqual(
          (yield* relay.clients).map(({ address, subject }) => ({ address, subject })),
          [{ address: known.address, subject: "CN=agent-7,O=Example" }]
        )
        assert.strictEqual((yield* relay.stats).incidents["TLS handshake failed"], 2)
      })
  )

  it.live("may be optional, but not of another authority", () =>
    Effect.gen(function* () {
      const { certificates, lines, port, relay } = yield* serve("optional")
      const known = yield* TcpClient.connect(port, { tls: certificates.client("client") })
      const unknown = yield* TcpClient.connect(port, { tls: certificates.client() })
      assert.match(yield* refused(port, certificates.client("stranger")), /^(ECONNRESET|EPIPE|)$/)
      yield* TcpClient.settled(known, unknown)
      assert.deepStrictEqual(
        (yield* relay.clients).map(({ address, subject }) => [address, subject]),
        [
          [known.address, "CN=agent-7,O=Example"],
          [unknown.address, undefined]
        ]
      )
      const connected = lines.filter((line) => line.includes(" connected ("))
      assert.deepStrictEqual(connected, [
        `INFO ${known.address} (CN=agent-7,O=Example) connected (1 client)`,
        `INFO ${unknown.address} connected (2 clients)`
      ])
      assert.strictEqual((yield* relay.stats).incidents["TLS handshake failed"], 1)
    })
  )

  it.live("that were refused let no client in that resumes their session", () =>
    Effect.gen(function* () {
      const { certificates, port, relay } = yield* serve("optional")
      const sessions: Array<Buffer> = []
      const socket = Tls.connect({ port, host: "127.0.0.1", ...certificates.client("stranger") })
      socket.on("session", (session) => sessions.push(session)).on("error", () => {})
      yield* Effect.callback<void>((resume) => void socket.once("close", () => resume(Effect.void)))
      for (const session of sessions) {
        assert.match(yield* refused(port, { ...certificates.client(), session }), /^(ECONNRESET|EPIPE|)$/)
      }
      assert.deepStrictEqual(yield* relay.clients, [])
    })
  )

  it.live("have their subject shown without control characters", () =>
    Effect.gen(function* () {
      const { certificates, lines, port, relay } = yield* serve(true)
      certificates.signed("client", "/CN=a\u202eb,\u0085\n2000 INFO forged/O=\u00e9", "client.ext")
      yield* TcpClient.connect(port, { tls: certificates.client("client") })
      yield* until(() => lines.some((line) => line.includes(" connected (")))
      const [client] = yield* relay.clients
      assert.notMatch(client!.subject!, /[\p{Cc}\u202e]/u)
      assert.include(client!.subject!, "O=\u00e9")
    })
  )
})

describe.skipIf(!Certificates.hasOpenssl)(`a connection${Certificates.withOpenssl}`, () => {
  it.live("with plain text on the TLS port is closed, and the log says so once", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, relay } = yield* start({ tls: certificates.config })
      for (const text of ["hello\n", "GET / HTTP/1.1\r\n\r\n", "\u0000", "\n"]) {
        const client = yield* TcpClient.connect(port)
        client.send(text)
        assert.deepStrictEqual(yield* client.rest, [])
      }
      assert.strictEqual((yield* relay.stats).incidents["plain text on the TLS port"], 4)
      assert.deepStrictEqual(noise(lines), [
        "WARNING connections refused: plain text on the TLS port; last from 127.0.0.1"
      ])
    })
  )

  it.live("whose bytes only begin like TLS is closed, and the log says so once", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, relay } = yield* start({ tls: certificates.config })
      for (let i = 0; i < 5; i++) {
        const client = yield* TcpClient.connect(port)
        client.send(Buffer.concat([Buffer.from([22, 3, 1, 0, 60 + i]), Buffer.alloc(200, i)]))
        yield* client.rest
      }
      yield* until(() => lines.length > 0)
      assert.strictEqual((yield* relay.stats).incidents["TLS handshake failed"], 5)
      assert.deepStrictEqual(noise(lines), ["WARNING connections refused: TLS handshake failed; last from 127.0.0.1"])
    })
  )

  it.live("with TLS on the plain-text port is closed, and the log says so once", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, relay } = yield* start({})
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        assert.match(yield* refused(port, { ...certificates.client(), maxVersion }), /^(ECONNRESET|EPIPE)?$/)
      }
      assert.strictEqual((yield* relay.stats).incidents["TLS on the plain-text port"], 2)
      assert.deepStrictEqual(noise(lines), [
        "WARNING connections refused: TLS on the plain-text port; last from 127.0.0.1"
      ])
      assert.match(lines.join("\n"), /INFO \S+ disconnected: speaks TLS, which this port does not \(0 clients\)/)
    })
  )

  it.live("to the TLS port that comes and goes without a byte, as monitors do, is no incident", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { lines, port, relay } = yield* start({ tls: certificates.config })
      const monitor = yield* TcpClient.connect(port)
      monitor.socket.end()
      yield* monitor.rest
      const { incidents } = yield* relay.stats
      assert.isTrue(Object.values(incidents).every((count) => count === 0))
      assert.deepStrictEqual(noise(lines), [])
    })
  )
})

describe.skipIf(!Certificates.hasOpenssl)(`a TLS handshake${Certificates.withOpenssl}`, () => {
  it.live("that is reset at its end is over, and counts once", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({ tls: certificates.config })
      const attempts = 50
      for (let i = 0; i < attempts; i++) {
        const raw = Net.connect({ port, host: "127.0.0.1" })
        let writes = 0
        const resetting = new Duplex({
          read() {},
          write(chunk: Buffer, _encoding, done) {
            writes++
            raw.write(chunk, () => {
              if (writes === 2) raw.resetAndDestroy()
              done()
            })
          }
        })
        raw.on("data", (chunk) => resetting.push(chunk)).on("error", () => {})
        Tls.connect({ socket: resetting, ...certificates.client() }).on("error", () => {})
      }
      const { connections, incidents } = yield* relay.stats.pipe(
        Effect.filterOrFail(
          ({ connections, incidents }) => connections + incidents["TLS handshake failed"] === attempts,
          () => "not yet"
        ),
        Effect.retry(Schedule.spaced("5 millis"))
      )
      assert.strictEqual(connections + incidents["TLS handshake failed"], attempts)
    })
  )

  it.live("that does not begin or end takes no place of a client", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({ tls: certificates.config, hyper_parameters: { max_clients: 2 } })
      const hello = Buffer.from([22, 3, 1, 2, 0, 1, 0])
      const silent = yield* Effect.forEach(Array.from({ length: 120 }), () => TcpClient.connect(port), {
        concurrency: 40
      })
      for (const client of silent.slice(60)) client.send(hello)
      const a = yield* TcpClient.connect(port, { tls: certificates.client() })
      const b = yield* TcpClient.connect(port, { tls: certificates.client() })
      yield* TcpClient.settled(a, b)
      assert.strictEqual((yield* relay.stats).clients, 2)
      // There is no third place: it is not worth a handshake.
      assert.match(yield* refused(port, certificates.client()), /^ECONNRESET|^$/)
      assert.strictEqual((yield* relay.stats).incidents["server full"], 1)
    })
  )

  it.live("during which the last place was taken ends with a notice", () =>
    Effect.gen(function* () {
      const certificates = yield* Certificates.make
      const { port, relay } = yield* start({ tls: certificates.config, hyper_parameters: { max_clients: 1 } })
      const raw = Net.connect({ port, host: "127.0.0.1" })
      yield* Effect.addFinalizer(() => Effect.sync(() => raw.destroy()))
      let release: (() => void) | undefined
      let writes = 0
      const stream = new Duplex({
        read() {},
        write(chunk: Buffer, _encoding, done) {
          // The ClientHello goes, the end of the handshake waits.
          if (writes++ === 0) raw.write(chunk, done)
          else release = () => raw.write(chunk, done)
        }
      })
      raw.on("data", (chunk) => stream.push(chunk)).on("end", () => stream.push(null))
      const late = Tls.connect({ socket: stream, ...certificates.client() })
      late.setEncoding("utf8")
      yield* until(() => release !== undefined)
      yield* TcpClient.connect(port, { tls: certificates.client() })
      while ((yield* relay.clients).length < 1) yield* Effect.sleep("5 millis")
      release!()
      const notice = yield* Effect.callback<string>((resume) => {
        late.once("data", (text: string) => resume(Effect.succeed(text)))
      })
      assert.strictEqual(notice, "Warning: Server is full. Please try again later.\n")
    })
  )
})
