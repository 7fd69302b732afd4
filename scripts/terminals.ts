/** Makes the recording of a server and two `connect` clients in docs, from what they print on terminals: an SVG that plays by CSS. */
import * as Effect from "effect/Effect"
import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
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

const COLOURS = ["#484f58", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#e6edf3"]
const CHARACTER = 8.2
const LINE = 20
const WIDTH = 1180
const GAP = 14

const escape = (text: string) => text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)

/** The lines that a terminal of so many columns shows of an output with colours, as SVG, each with its line in the output. */
const linesOf = (output: string, columns: number) => {
  const lines = [{ svg: "", number: 0 }]
  let style = ""
  let column = 0
  for (const part of output.replaceAll("\r", "").trimEnd().split("\u001b[")) {
    const [, codes, text] = /^(?:([\d;]*)m)?([^]*)$/.exec(part)!
    for (const code of codes?.split(";").map(Number) ?? []) {
      if (code === 0 || code === 39) style = ""
      else if (code === 1) style += "font-weight:bold;"
      else if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) style += `fill:${COLOURS[code % 10]};`
    }
    for (const piece of text!.split(/(\n)/)) {
      if (piece === "\n") {
        lines.push({ svg: "", number: lines.at(-1)!.number + 1 })
        column = 0
      } else {
        for (let rest = piece; rest !== "";) {
          if (column >= columns) {
            lines.push({ svg: "", number: lines.at(-1)!.number })
            column = 0
          }
          const shown = rest.slice(0, columns - column)
          rest = rest.slice(shown.length)
          column += shown.length
          lines.at(-1)!.svg += style === "" ? escape(shown) : `<tspan style="${style}">${escape(shown)}</tspan>`
        }
      }
    }
  }
  return lines
}

/** How many lines each terminal had after each step. */
const steps: Array<ReadonlyMap<Terminal, number>> = []

/** A terminal as SVG. Its lines have the class of the step in which they came. */
const pane = (terminal: Terminal, width: number, rows: number) => {
  const lines = linesOf(terminal.output(), Math.floor((width - 2 * GAP) / CHARACTER)).map(({ number, svg }, row) => {
    const step = steps.findIndex((lines) => (lines.get(terminal) ?? 0) > number)
    return `<text class="s${step}" x="${GAP}" y="${52 + row * LINE}">${svg}</text>`
  })
  return `<rect width="${width}" height="${44 + rows * LINE}" rx="8" fill="#0d1117"/>
<path d="M0 34V8a8 8 0 0 1 8-8H${width - 8}a8 8 0 0 1 8 8V34z" fill="#21262d"/>
<text x="${GAP}" y="22" fill="#9da7b3">${terminal.title}</text>
${lines.join("\n")}`
}

const SECONDS_PER_STEP = 1.2
const SECONDS_AT_END = 5

const svg = (server: Terminal, a: Terminal, b: Terminal) => {
  const half = (WIDTH - 3 * GAP) / 2
  const whole = WIDTH - 2 * GAP
  const rowsOf = (width: number, ...terminals: ReadonlyArray<Terminal>) =>
    Math.max(...terminals.map((each) => linesOf(each.output(), Math.floor((width - 2 * GAP) / CHARACTER)).length))
  const [above, below] = [rowsOf(whole, server), rowsOf(half, a, b)]
  const top = 2 * GAP + 44 + above * LINE
  const seconds = steps.length * SECONDS_PER_STEP + SECONDS_AT_END
  const played = steps.map((_, i) => {
    const from = ((100 * i * SECONDS_PER_STEP) / seconds).toFixed(1)
    return i === 0
      ? ""
      : `.s${i}{animation:s${i} ${seconds}s step-end infinite}@keyframes s${i}{0%{opacity:0}${from}%{opacity:1}}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top + 44 + below * LINE + GAP}">
<style>text{font:13.5px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#e6edf3;white-space:pre}
@media (prefers-reduced-motion:no-preference){${played.join("")}}</style>
<g transform="translate(${GAP} ${GAP})">${pane(server, whole, above)}</g>
<g transform="translate(${GAP} ${top})">${pane(a, half, below)}</g>
<g transform="translate(${2 * GAP + half} ${top})">${pane(b, half, below)}</g>
</svg>
`
}

const program = Effect.gen(function* () {
  const terminals: Array<Terminal> = []
  const open = (title: string, args: string) =>
    Effect.tap(terminal(title, args), (opened) => Effect.sync(() => terminals.push(opened)))
  const step = Effect.sync(() => {
    steps.push(new Map(terminals.map((each) => [each, each.output().trimEnd().split("\n").length])))
  })
  const server = yield* open("$ summoner-server", "")
  yield* server.shows("listening on 127.0.0.1:8888")
  yield* step
  const a = yield* open("$ summoner-server connect", "connect")
  yield* server.shows("(1 client)")
  yield* a.shows("connected to")
  yield* step
  const b = yield* open("$ summoner-server connect", "connect")
  yield* server.shows("(2 clients)")
  yield* b.shows("connected to")
  yield* step
  const say = Effect.fnUntraced(function* (from: Terminal, to: Terminal, line: string) {
    from.type(line)
    yield* from.shows(line)
    yield* step
    yield* to.shows(`  ${line}`)
    yield* server.shows(`: ${line}`)
    yield* step
  })
  yield* say(a, b, "hello, who is there?")
  yield* say(b, a, "an agent with a plan")
  yield* say(a, b, "deal")
  writeFileSync(`${ROOT}docs/terminals.svg`, svg(server, a, b))
})

await Effect.runPromise(Effect.scoped(program)).finally(() => rmSync(directory, { recursive: true }))
