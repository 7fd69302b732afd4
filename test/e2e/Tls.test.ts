import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import type * as Tls from "node:tls"
import { SummonerServer } from "../../src/SummonerServer.ts"
import * as Certificates from "../support/Certificates.ts"
import * as Cli from "../support/Cli.ts"
import * as Commands from "../support/Commands.ts"
import * as TcpClient from "../support/TcpClient.ts"

const prepare = Effect.gen(function* () {
  const certificates = yield* Certificates.make
  const configure = (tls: object) => certificates.write("server.json", JSON.stringify({ port: 0, tls }))
  configure({ cert: "server.pem", key: "server-key.pem", ca: "ca.pem", request_client_cert: "optional" })
  return { certificates, configure, cwd: certificates.directory }
})

const MISMATCH =
  "tls.key: expected the private key of the first certificate in server.pem, found client-key.pem, which belongs to another"

describe.skipIf(!Certificates.hasOpenssl)(`the program with TLS${Certificates.withOpenssl}`, () => {
  it.live.skipIf(process.platform === "win32")("takes over renewed files on SIGHUP", () =>
    Effect.gen(function* () {
      const { certificates, cwd } = yield* prepare
      const server = yield* Cli.listening([], { cwd })
      const a = yield* TcpClient.connect(server.port, { tls: certificates.client("client") })
      yield* server.printed(/INFO - 127\.0\.0\.1:\d+ \(CN=agent-7,O=Example\) connected \(1 client\)\n/)
      certificates.signed("server", "/CN=renewed", "server.ext")
      server.process.kill("SIGHUP")
      yield* server.printed(/INFO - TLS as CN=renewed, until/)
      const b = yield* TcpClient.connect(server.port, { tls: certificates.client() })
      assert.strictEqual((b.socket as Tls.TLSSocket).getPeerCertificate().subject.CN, "renewed")
      yield* TcpClient.settled(a, b)
      certificates.write("server.pem", "nonsense")
      server.process.kill("SIGHUP")
      yield* server.printed(
        /ERROR - the TLS certificate was not renewed: tls\.cert: .* found server\.pem, which is not PEM\n/
      )
      yield* TcpClient.settled(a, yield* TcpClient.connect(server.port, { tls: certificates.client() }))
      server.process.kill("SIGTERM")
      assert.strictEqual((yield* server.exit).code, 0)
      assert.notMatch(server.output(), / at .*:\d+:\d+/)
    })
  )

  it.live("does not start with files of no use, and says why; nor does check", () =>
    Effect.gen(function* () {
      const { configure, cwd } = yield* prepare
      configure({ cert: "server.pem", key: "client-key.pem" })
      const server = yield* Commands.line([], { cwd })
      assert.deepStrictEqual({ code: server.code, stderr: server.stderr }, { code: 1, stderr: `error: ${MISMATCH}\n` })

      const check = yield* Commands.line(["check"], { cwd })
      assert.deepStrictEqual(check, { code: 1, stdout: "", stderr: `error: server.json: 1 problem\n  ${MISMATCH}\n` })

      const json = yield* Commands.line(["check", "--json"], { cwd })
      assert.strictEqual(json.code, 1)
      const { problems, valid } = JSON.parse(json.stdout)
      assert.isFalse(valid)
      assert.deepStrictEqual(
        problems.map(({ path }: { path: string }) => path),
        ["tls.key"]
      )
    })
  )

  it.live.skipIf(!existsSync(Cli.SYSTEM_NODE))("runs on the node of the machine, too", () =>
    Effect.gen(function* () {
      const { certificates, cwd } = yield* prepare
      const server = yield* Cli.listening([], { cwd, node: Cli.SYSTEM_NODE })
      const a = yield* TcpClient.connect(server.port, { tls: certificates.client("client") })
      const b = yield* TcpClient.connect(server.port, { tls: certificates.client() })
      yield* TcpClient.settled(a, b)
      yield* server.printed(/\(CN=agent-7,O=Example\) connected/)
      const plain = yield* TcpClient.connect(server.port)
      plain.send("hello\n")
      assert.deepStrictEqual(yield* plain.rest, [])
      yield* server.printed(/connections refused: plain text on the TLS port/)
    })
  )

  it.live("is an Error for programs without Effect", () =>
    Effect.gen(function* () {
      const { certificates } = yield* prepare
      const tls = { ...certificates.config, key: certificates.path("nowhere.pem") }
      const error = yield* Effect.promise(() =>
        new SummonerServer().start({ configDict: { port: 0, logger: { enable_console_log: false }, tls } }).then(
          () => undefined,
          (error: Error) => error
        )
      )
      assert.match(
        error!.message,
        /^tls\.key: expected a private key .* found \S+nowhere\.pem, which does not exist \(ENOENT\)$/
      )
    })
  )
})
