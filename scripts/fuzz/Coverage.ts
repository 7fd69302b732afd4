import { type Profiler, Session } from "node:inspector"

/** Tells which inputs take a way through the code of `src` that none before them has taken, by V8's own coverage. */
export class Coverage {
  readonly #session = new Session()
  readonly #ways = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#session.post("Profiler.enable")
    this.#session.post("Profiler.startPreciseCoverage", { callCount: false, detailed: true })
  }

  /** Whether what has run since the last call left out other blocks of a function than ever before. */
  isNew(): boolean {
    let scripts: ReadonlyArray<Profiler.ScriptCoverage> = []
    // Answers at once: the session is with this very thread.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error
      scripts = result
    })
    const before = this.#ways.size
    for (const { functions, scriptId, url } of scripts) {
      if (!url.includes("/src/") || url.includes("/node_modules/")) continue
      for (const { ranges } of functions) {
        if (ranges[0]!.count === 0) continue
        const blocks = ranges.map(({ count, endOffset, startOffset }) => `${startOffset}-${endOffset}:${count}`)
        this.#ways.add(`${scriptId} ${blocks.join()}`)
      }
    }
    return this.#ways.size > before
  }

  /** How many ways through functions were taken. */
  get size(): number {
    return this.#ways.size
  }

  close(): void {
    this.#session.disconnect()
  }
}
