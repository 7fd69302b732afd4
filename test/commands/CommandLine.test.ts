import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { version } from "../../src/version.ts"
import * as Commands from "../support/Commands.ts"
import * as Directory from "../support/Directory.ts"
import { isInstalled } from "../support/Tools.ts"

/** Runs the program beside these files. */
const run = Effect.fnUntraced(function* (args: ReadonlyArray<string>, files: Readonly<Record<string, unknown>> = {}) {
  return yield* Commands.line(args, { cwd: yield* Directory.make(files) })
})

describe("the command line", () => {
  it.effect("explains itself: flags with their defaults, commands, and that the server needs none", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run(["--help"])
      assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
      for (const flag of ["--config", "--host", "--port", "--name", "--log-level"]) assert.include(stdout, flag)
      for (const value of ["127.0.0.1", "8888", "MyServer", "DEBUG"]) assert.include(stdout, `(default: ${value})`)
      assert.include(stdout, "summoner-server [subcommand] [flags]")
      for (const name of ["init", "check", "schema", "connect", "top"]) {
        assert.match(stdout, new RegExp(`^ {2}${name} `, "m"))
      }
    })
  )

  it.effect("explains itself and a command by help, too", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(["help"]), yield* run(["--help"]))
      const ofCheck = yield* run(["help", "check"])
      assert.deepStrictEqual(ofCheck, yield* run(["check", "--help"]))
      assert.include(ofCheck.stdout, "--public")
    })
  )

  it.effect.each(["version", "--version", "-V", "-v"])("prints its version by %s", (arg) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run([arg]), { code: 0, stdout: `summoner-server v${version}\n`, stderr: "" })
    })
  )

  it.effect("reports a usage error in two lines on standard error, with the flag or command that was meant", () =>
    Effect.gen(function* () {
      const command = yield* run(["chekc"])
      assert.deepStrictEqual([command.code, command.stdout], [1, ""])
      assert.match(
        command.stderr,
        /^error: Unknown subcommand "chekc" .*Did you mean this\? check\nsummoner-server --help explains the usage\n$/
      )
      const flag = yield* run(["--prot", "1"])
      assert.deepStrictEqual([flag.code, flag.stdout], [1, ""])
      assert.match(flag.stderr, /^error: .*Did you mean.*--port.*\nsummoner-server --help explains the usage\n$/)
    })
  )

  it.effect.each([
    [["--log-level", "INFO", "check"], "--log-level"],
    [["-c", "server.json", "check"], "--config"],
    [["--json", "check"], "--json"]
  ] as const)("says where a flag has to stand that is before its command: %j", ([args, flag]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(args), {
        code: 1,
        stdout:
          flag === "--json"
            ? `${JSON.stringify({ valid: false, source: "command line", summary: `${flag} has to come after the command: put it after check`, problems: [] }, null, 2)}\n`
            : "",
        stderr: `error: ${flag} has to come after the command: put it after check\nsummoner-server check --help explains the usage\n`
      })
    })
  )

  const INVISIBLE = "a\u202e\u200b\u001b[31m\nb"
  it.effect.each([
    [["--name", INVISIBLE], 1],
    [["--config", INVISIBLE], 1],
    [[INVISIBLE], 1],
    [[`--${INVISIBLE}`], 1],
    [["check", "--json", `--${INVISIBLE}`], 1],
    [["init", INVISIBLE], 0],
    [["init", `missing\0${INVISIBLE}`], 1],
    [["connect", INVISIBLE], 1],
    [["connect", `ws://127.0.0.1:1/${INVISIBLE}`], 1],
    [["connect", "127.0.0.1:1", "--ca", INVISIBLE], 1],
    [["top", `http://127.0.0.1:1/${INVISIBLE}`], 1]
  ] as const)("shows no invisible character raw, wherever it stands: %j", ([args, code]) =>
    Effect.gen(function* () {
      const ended = yield* run(args)
      assert.strictEqual(ended.code, code)
      assert.notMatch(ended.stdout + ended.stderr, /(?![ \n])[\p{Cc}\p{Cf}]/u)
      assert.match(ended.stdout + ended.stderr, /a\\+u202e\\+u200b\\+u001b\[31m/)
      // An argument makes no line.
      assert.notMatch(ended.stdout + ended.stderr, /^b/m)
    })
  )

  it.effect("names an invisible character in the token of top, and does not send it", () =>
    Effect.gen(function* () {
      const env = { SUMMONER_ADMIN_TOKEN: "s3cret\u200b" }
      const { code, stderr } = yield* Commands.line(["top", "1"], { cwd: yield* Directory.make(), env })
      assert.strictEqual(code, 1)
      assert.include(stderr, "SUMMONER_ADMIN_TOKEN: expected no invisible characters, found U+200B\n")
      assert.notInclude(stderr, "s3cret")
    })
  )

  it.effect.each([
    [["connect", "ws://user:s3cret@127.0.0.1:1/?token=s3cret"], 2],
    [["connect", "tcp://user:s3cret@127.0.0.1:1"], 1],
    [["connect", "user:s3cret@127.0.0.1:1"], 1],
    [["connect", "http://127.0.0.1:1/?token=s3cret"], 1],
    [["top", "http://user:s3cret@127.0.0.1:1"], 1],
    [["top", "ftp://127.0.0.1:1/?token=s3cret"], 1],
    [["--config", "https://user:s3cret@host/x"], 1],
    [["check", "--json", "--config", "https://host/?token=s3cret"], 1],
    [["--port", "https://user:s3cret@host/x"], 1],
    [["https://user:s3cret@host/x"], 1]
  ] as const)("shows no password and no token of a URL, wherever it stands: %j", ([args, code]) =>
    Effect.gen(function* () {
      const ended = yield* run(args)
      assert.strictEqual(ended.code, code)
      assert.notInclude(ended.stdout + ended.stderr, "s3cret")
      assert.include(ended.stdout + ended.stderr, "(hidden)")
    })
  )

  it.effect("takes a level in any case, and lists the levels beside another word", () =>
    Effect.gen(function* () {
      for (const level of ["info", "Info", "INFO"]) {
        const { code, stdout } = yield* run(["check", "--log-level", level])
        assert.strictEqual(code, 0)
        assert.match(stdout, /^logger\.log_level +"INFO" +--log-level$/m)
      }
      const { code, stderr } = yield* run(["check", "--log-level", "loud"])
      assert.strictEqual(code, 1)
      assert.match(stderr, /"loud".*"DEBUG" \| "INFO" \| "WARNING" \| "ERROR" \| "CRITICAL"\n/)
    })
  )

  it.effect.each(["a/b", "a\\b", "../up", ""])("refuses %j as the name of the server", (name) =>
    Effect.gen(function* () {
      const { code, stderr } = yield* run(["--name", name])
      assert.strictEqual(code, 1)
      assert.match(stderr, /^error: .*a name without slashes and invisible characters.*\n.*\n$/)
    })
  )

  const canComplete = isInstalled("bash")
  it.effect.skipIf(!canComplete)(
    `completes the names of files and the values of flags${canComplete ? "" : " (skipped: no bash)"}`,
    () =>
      Effect.gen(function* () {
        const cwd = yield* Directory.make({ "relay.json": "{}" })
        const { stdout } = yield* Commands.line(["--completions", "bash"], { cwd })
        writeFileSync(join(cwd, "completions"), stdout)
        const completed = (...words: ReadonlyArray<string>) =>
          execFileSync(
            "bash",
            [
              "-c",
              'source ./completions; COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _summoner_server "$1" "${!#}"; printf "%s\\n" "${COMPREPLY[@]}"',
              "bash",
              "summoner-server",
              ...words
            ],
            { cwd, encoding: "utf8" }
          )
            .trim()
            .split("\n")
        assert.include(completed("--config", "re"), "relay.json")
        assert.include(completed("check", "--config", "re"), "relay.json")
        assert.include(completed("connect", "--ca", "re"), "relay.json")
        assert.include(completed("init", "re"), "relay.json")
        assert.deepStrictEqual(completed("--log-level", "W"), ["WARNING"])
        assert.deepStrictEqual(completed("init", "--preset", "b"), ["broadcast"])
      })
  )
})

describe("check --json", () => {
  it.effect("prints one JSON object whatever is wrong, with the error on standard error", () =>
    Effect.gen(function* () {
      for (const [args, files, summary] of [
        [["--port", "x"], {}, /^Invalid value for flag --port/],
        [["--nope"], {}, /^Unrecognized flag: --nope/],
        [["extra"], {}, /^Unexpected positional argument/],
        [["-c", "none.json"], {}, /^cannot be read: no such file$/],
        [["-c", "."], {}, /^cannot be read: it is a directory$/],
        [["-c", "relay.yaml"], { "relay.yaml": "port: 1\n" }, /^YAML, where JSON is read$/],
        [[], { "server.json": "{" }, /^invalid JSON$/],
        [[], { "server.json": { prot: 1 } }, /^1 problem$/],
        [[], { "server.json": { tls: { cert: "none.pem", key: "none.pem" } } }, /problems?$/]
      ] as const) {
        const { code, stderr, stdout } = yield* run(["check", "--json", ...args], files)
        const { source, valid, ...found } = JSON.parse(stdout)
        assert.deepStrictEqual([code, valid, typeof source, Array.isArray(found.problems)], [1, false, "string", true])
        assert.match(found.summary, summary)
        assert.match(stderr, /^error: /)
      }
    })
  )
})

describe("check remarks on", () => {
  const remarks = Effect.fnUntraced(function* (content: unknown, env: Record<string, string> = {}) {
    const cwd = yield* Directory.make({ "server.json": content })
    chmodSync(join(cwd, "server.json"), 0o600)
    const { stdout } = yield* Commands.line(["check", "--json"], { cwd, env })
    return (JSON.parse(stdout).warnings as ReadonlyArray<string>).filter((line) => !line.includes("keeps large rooms"))
  })

  it.effect("nothing that is right", () =>
    Effect.gen(function* () {
      const right = {
        host: "localhost",
        logger: { date_format: "iso" },
        admin: { port: 1, host: "localhost", token: "0123456789abcdef" }
      }
      assert.deepStrictEqual(yield* remarks(right), [])
      assert.deepStrictEqual(yield* remarks({ logger: { date_format: "%d/%m %H:%M:%S.%6f %:z %%" } }), [])
    })
  )

  it.effect("a host that does not resolve, where the server would listen on it", () =>
    Effect.gen(function* () {
      const host = "relay.invalid"
      assert.deepStrictEqual(yield* remarks({ host, websocket: { host }, admin: { host, token: "x".repeat(20) } }), [
        `host: "${host}" has no address that this machine knows`
      ])
      assert.deepStrictEqual(
        yield* remarks({ websocket: { host, port: 1 }, admin: { host, port: 2, token: "x".repeat(20) } }),
        ["websocket", "admin"].map((group) => `${group}.host: "${host}" has no address that this machine knows`)
      )
    })
  )

  it.effect("thresholds of which one is never reached", () =>
    Effect.gen(function* () {
      const policy = { throttle_threshold: 300, flow_control_threshold: 200, disconnect_threshold: 300 }
      const of = (backpressure_policy: object, version = "rust") =>
        remarks({ version, hyper_parameters: { backpressure_policy } })
      assert.deepStrictEqual(yield* of(policy), [
        "backpressure_policy: throttle_threshold (300) is not below flow_control_threshold (200): no sender is throttled"
      ])
      assert.deepStrictEqual(yield* of({ ...policy, enable_flow_control: false }), [
        "backpressure_policy: throttle_threshold (300) is not below disconnect_threshold (300): no sender is throttled"
      ])
      assert.deepStrictEqual(yield* of({ ...policy, enable_throttle: false }), [])
      assert.deepStrictEqual(yield* of(policy, "python"), [])
    })
  )

  it.effect("keys that the file has twice, on any level, but not on those of another object or name", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* remarks(
          '{"port":1,"host":"::1","port":2,"websocket":{"port":3},"logger":{"log_keys":["a","a"],"log_level":"INFO","log_level":"INFO"}}'
        ),
        ["port", "logger.log_level"].map((path) => `server.json: ${path} is there twice; the last one counts`)
      )
    })
  )

  it.effect("what stands for nothing in date_format", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* remarks({ logger: { date_format: "%Y-%Q %-d %T 100%" } }),
        ["%Q", "%-d", "%T", "%"].map(
          (directive) => `logger.date_format: "${directive}" stands for nothing, and is in the log as it is`
        )
      )
    })
  )

  it.effect("a token that can be guessed, wherever it is set, without showing it", () =>
    Effect.gen(function* () {
      const remark = 'admin.token: fewer than 16 characters can be guessed: take those of "openssl rand -hex 32"'
      assert.deepStrictEqual(yield* remarks({ admin: { token: "abc" } }), [remark])
      assert.deepStrictEqual(yield* remarks({}, { SUMMONER_ADMIN_TOKEN: "abc" }), [remark])
    })
  )
})

describe("check --public", () => {
  const unmet = Effect.fnUntraced(function* (content: object) {
    const { code, stderr, stdout } = yield* run(["check", "--public", "--json"], { "server.json": content })
    return { code, stderr, paths: JSON.parse(stdout).public.map(({ path }: { readonly path: string }) => path) }
  })

  it.effect("says of the defaults what is missing, also as text, and ends with 2", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* unmet({}), {
        code: 2,
        stderr: "error: not for strangers: 6 of 10 points are not met\n",
        paths: [
          "logger.log_level",
          "hyper_parameters.rate_limit_scope",
          "hyper_parameters.max_clients",
          "hyper_parameters.max_clients_per_ip",
          "hyper_parameters.backpressure_policy.enable_disconnect",
          "tls.cert"
        ]
      })
      const { code, stdout } = yield* run(["check", "--public"])
      assert.strictEqual(code, 2)
      assert.include(
        stdout,
        "\npublic: hyper_parameters.max_clients_per_ip: one address may take all places: 20, for example\n"
      )
    })
  )

  it.effect("asks for a certificate only, of the preset for strangers", () =>
    Effect.gen(function* () {
      const cwd = yield* Directory.make()
      yield* Commands.line(["init", "--preset", "public"], { cwd })
      const { code, stdout } = yield* Commands.line(["check", "--public"], { cwd })
      assert.strictEqual(code, 2)
      assert.deepStrictEqual(stdout.match(/^public: \S+/gm), ["public: tls.cert:"])
    })
  )

  it.effect("says what a configuration opens, and nothing of one that is closed", () =>
    Effect.gen(function* () {
      const closed = {
        logger: { log_keys: [] },
        hyper_parameters: {
          rate_limit_scope: "ip",
          max_clients: 100,
          max_clients_per_ip: 5,
          trusted_proxies: ["10.0.0.1"],
          backpressure_policy: { disconnect_threshold: 100 }
        },
        websocket: { port: 1, origins: ["https://example.com"] },
        admin: { port: 2 }
      }
      assert.deepStrictEqual(yield* unmet(closed), { code: 0, stderr: "", paths: [] })
      const open = {
        ...closed,
        version: "python",
        hyper_parameters: { ...closed.hyper_parameters, client_timeout_secs: null },
        websocket: { port: 1, origins: ["*"] },
        admin: { port: 2, host: "0.0.0.0", token: "0123456789abcdef" }
      }
      assert.deepStrictEqual((yield* unmet(open)).paths, [
        "version",
        "hyper_parameters.client_timeout_secs",
        "websocket.origins",
        "admin.host"
      ])
      assert.notProperty(JSON.parse((yield* run(["check", "--json"])).stdout), "public")
    })
  )
})
