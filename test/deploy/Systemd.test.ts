import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { defaults } from "../../src/config/ServerConfig.ts"
import * as Cli from "../support/Cli.ts"
import { ROOT } from "../support/Package.ts"
import { isInstalled, run } from "../support/Tools.ts"

const UNITS = ["summoner-server.service", "summoner-server-watchdog.service", "summoner-server-watchdog.timer"]

const unit = (name: string) => readFileSync(join(ROOT, "deploy", name), "utf8")

const server = unit("summoner-server.service")

/** The values of a setting, in order. */
const settings = (text: string, name: string) =>
  Array.from(text.matchAll(new RegExp(`^${name}=(.*)$`, "gm")), ([, value]) => value!)

// It looks for the programs that the units start, too.
const hasSystemd = isInstalled("systemd-analyze") && existsSync(Cli.SYSTEM_NODE) && existsSync("/bin/sh")

describe("the systemd units", () => {
  it.live.skipIf(!hasSystemd)("are right, says systemd (needs systemd-analyze, and /usr/bin/node)", () =>
    Effect.gen(function* () {
      const verified = yield* run("systemd-analyze", ["verify", ...UNITS.map((name) => join(ROOT, "deploy", name))])
      assert.deepStrictEqual(verified, { code: 0, stdout: "", stderr: "" })
    })
  )

  it.live.skipIf(!hasSystemd)("leave the server little of the system, says systemd (needs systemd-analyze)", () =>
    Effect.gen(function* () {
      const path = join(ROOT, "deploy/summoner-server.service")
      // Exposure in tenths: the documentation says 1.3.
      const { code, stdout } = yield* run("systemd-analyze", [
        "security",
        "--no-pager",
        "--offline=true",
        "--threshold=20",
        path
      ])
      assert.strictEqual(code, 0, stdout)
    })
  )

  it("give the server the time that its shutdown takes", () => {
    const [seconds] = settings(server, "TimeoutStopSec")
    assert.isAbove(Number(seconds) * 1000, defaults.hyper_parameters.shutdown_grace_ms + 2000)
  })

  it("check, on a reload, the file that the server runs with", () => {
    const [start] = settings(server, "ExecStart")
    const [check, hangup] = settings(server, "ExecReload")
    assert.include(check, start!.replace("cli.js --config", "cli.js check --config"))
    assert.match(hangup!, /kill -HUP \$MAINPID$/)
  })

  it("ask, as a watchdog, the port that the server is told to open", () => {
    const port = settings(server, "Environment")
      .map((text) => /^SUMMONER_ADMIN_PORT=(\d+)$/.exec(text)?.[1])
      .find((port) => port !== undefined)
    assert.include(unit("summoner-server-watchdog.service"), `http://127.0.0.1:${port}/healthz`)
  })
})
