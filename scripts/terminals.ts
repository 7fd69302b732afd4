/** Makes the picture of a server and two `connect` clients in docs, from what they print on terminals. */
import * as Effect from "effect/Effect"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import * as Chromium from "../test/support/Chromium.ts"
import { PROGRAM } from "../test/support/Cli.ts"
import { PATIENCE } from "../test/support/patience.ts"
import { ROOT } from "../test/support/Package.ts"

const directory = mkdtempSync(join(tmpdir(), "summoner-terminals-"))
execFileSync(process.execPath, [PROGRAM, "init", "--preset", "chat"], { cwd: directory })

/** A command on a terminal of its own. */
const terminal = (title: string, args: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { CI: _, NO_COLOR: __, ...env } = process.env
      // On a dumb terminal `connect` leaves editing to the terminal, so that colours are the only sequences to render.
      const child = spawn(
        "script",
        ["-qefc", `stty cols 100; exec '${process.execPath}' '${PROGRAM}' ${args}`, "/dev/null"],
        {
          cwd: directory,
          env: { ...env, TERM: "dumb", FORCE_COLOR: "1" }
        }
      )
      let output = ""
      let onOutput = () => {}
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text
        onOutput()
      })
      const shows = (text: string) =>
        Effect.callback<void>((resume) => {
          onOutput = () => {
            if (stripVTControlCharacters(output).includes(text)) resume(Effect.void)
          }
          onOutput()
        }).pipe(
          Effect.timeoutOrElse({ duration: PATIENCE, orElse: () => Effect.die(new Error(`no ${text} in:\n${output}`)) })
        )
      return { child, title, output: () => output, shows, type: (line: string) => void child.stdin.write(`${line}\n`) }
    }),
    ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
  )

type Terminal = Effect.Success<ReturnType<typeof terminal>>

const WIDTH = 1180
const COLOURS = ["#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3"]

const escapeHtml = (text: string) => text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)

/** Text with colours as HTML. */
const html = (output: string) => {
  let style = ""
  const [first, ...coloured] = output.replaceAll("\r", "").split("\u001b[")
  return coloured.reduce((html, part) => {
    const [, codes, text] = /^([\d;]*)m([^]*)$/.exec(part)!
    for (const code of codes!.split(";").map(Number)) {
      if (code === 0) style = ""
      else if (code === 1) style += "font-weight:bold;"
      else if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) style += `color:${COLOURS[code % 10]};`
      else if (code === 39) style += "color:inherit;"
    }
    return `${html}<span style="${style}">${escapeHtml(text!)}</span>`
  }, escapeHtml(first!))
}

const pane = ({ output, title }: Terminal) =>
  `<figure><figcaption>${title}</figcaption><pre>${html(output())}</pre></figure>`

const program = Effect.gen(function* () {
  const server = yield* terminal("$ summoner-server", "")
  yield* server.shows("listening on 127.0.0.1:8888")
  const a = yield* terminal("$ summoner-server connect", "connect")
  yield* server.shows("(1 client)")
  const b = yield* terminal("$ summoner-server connect", "connect")
  yield* server.shows("(2 clients)")
  const say = Effect.fnUntraced(function* (from: Terminal, to: Terminal, line: string) {
    from.type(line)
    yield* to.shows(`  ${line}`)
    yield* server.shows(`: ${line}`)
  })
  yield* say(a, b, "hello, who is there?")
  yield* say(b, a, "an agent with a plan")
  yield* say(a, b, "deal")

  const { page } = yield* Chromium.page(
    yield* Chromium.context(yield* Chromium.launch, { viewport: { width: WIDTH, height: 100 }, deviceScaleFactor: 1 })
  )
  yield* Effect.promise(async () => {
    await page.setContent(`<!doctype html><meta charset="utf-8"><style>
      body { margin: 0; padding: 16px; background: #ffffff; display: grid; grid-template-columns: 1fr 1fr; gap: 14px }
      figure { margin: 0; border-radius: 8px; background: #0d1117; color: #e6edf3; overflow: hidden }
      figure:first-child { grid-column: 1 / 3 }
      figcaption { padding: 7px 14px; background: #21262d; color: #9da7b3 }
      pre { margin: 0; padding: 10px 14px; white-space: pre-wrap }
      figcaption, pre { font: 13.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
    </style>${[server, a, b].map(pane).join("")}`)
    const path = `${ROOT}docs/terminals.png`
    const height = await page.evaluate<number>("document.documentElement.offsetHeight")
    await page.setViewportSize({ width: WIDTH, height: 2 * Math.ceil(height / 2) })
    await page.screenshot({ path })
    console.log(`${path}: ${Math.round(statSync(path).size / 1024)} KiB`)
  })
})

await Effect.runPromise(Effect.scoped(program)).finally(() => rmSync(directory, { recursive: true }))
