import { readFileSync } from "node:fs"
import { join } from "node:path"
import { ROOT } from "../support/Package.ts"

export interface Instruction {
  /** In upper case. */
  readonly name: string
  /** What follows it, lines joined. */
  readonly text: string
}

/** What follows one `FROM`, with it. */
export type Stage = ReadonlyArray<Instruction>

const instructions: ReadonlyArray<Instruction> = readFileSync(join(ROOT, "Dockerfile"), "utf8")
  .split("\n")
  .filter((line) => !/^\s*(#|$)/.test(line))
  .join("\n")
  .replace(/\\\n\s*/g, "")
  .split("\n")
  .map((line) => {
    const [name = ""] = line.split(/\s/, 1)
    return { name: name.toUpperCase(), text: line.slice(name.length).trim() }
  })

const starts = instructions.flatMap(({ name }, i) => (name === "FROM" ? [i] : []))

/** The stages of the image's Dockerfile. */
export const stages: ReadonlyArray<Stage> = starts.map((start, i) => instructions.slice(start, starts[i + 1]))

/** What a stage says with an instruction, each time it does. */
export const all = (stage: Stage, name: string): ReadonlyArray<string> =>
  stage.filter((instruction) => instruction.name === name).map(({ text }) => text)

/** What a stage says with an instruction; the last one counts. */
export const last = (stage: Stage, name: string): string => all(stage, name).at(-1) ?? ""

/** A command in the form that needs no shell. */
export const command = (text: string): ReadonlyArray<string> => JSON.parse(text)
