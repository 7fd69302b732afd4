import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Coverage } from "./Coverage.ts"
import { minimise, mutate } from "./mutate.ts"
import { Random } from "./Random.ts"
import type { Target } from "./Target.ts"

const CORPUS = fileURLToPath(new URL("corpus/", import.meta.url))

/** An input for which something does not hold. */
export class Failure extends Error {
  readonly input: Buffer

  constructor(target: Target, input: Buffer, cause: unknown) {
    super(`${target.name}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`, { cause })
    this.input = input
  }
}

/** The inputs that are kept for a target, by file name. */
export const corpusOf = ({ name }: Target): ReadonlyMap<string, Buffer> => {
  const directory = join(CORPUS, name)
  const files = existsSync(directory) ? readdirSync(directory).toSorted() : []
  return new Map(files.map((file) => [file, readFileSync(join(directory, file))]))
}

/** Adds an input to the corpus of a target, and returns its file. */
export const keep = ({ name }: Target, input: Uint8Array): string => {
  const file = join(CORPUS, name, createHash("sha256").update(input).digest("hex").slice(0, 16))
  mkdirSync(join(CORPUS, name), { recursive: true })
  writeFileSync(file, input)
  return file
}

const failureOf = (target: Target, input: Buffer): Failure | undefined => {
  try {
    target.run(Buffer.from(input))
    return undefined
  } catch (cause) {
    return new Failure(target, input, cause)
  }
}

/** Runs a target with one input. Throws a `Failure` with it. */
export const replay = (target: Target, input: Buffer): void => {
  const failure = failureOf(target, input)
  if (failure !== undefined) throw failure
}

/**
 * Runs a target with its corpus and then with inputs made from it, until `goesOn` says `false`. Throws a `Failure` with the
 * smallest input found that still fails.
 *
 * @param options.goesOn is told each input before it is run, and how many were before it
 * @param options.coverage inputs that reach new code are made inputs from, too
 * @param options.onNew is told of these
 */
export const fuzz = (
  target: Target,
  options: {
    readonly seed: number
    readonly goesOn: (runs: number, input: Buffer) => boolean
    readonly corpus?: ReadonlyArray<Buffer>
    readonly coverage?: Coverage
    readonly onNew?: (input: Buffer) => void
  }
): number => {
  const random = new Random(options.seed)
  const corpus = [...(options.corpus ?? corpusOf(target).values())]
  const kept = corpus.length
  if (kept === 0) corpus.push(Buffer.alloc(0))
  let runs = 0
  while (true) {
    const input = runs < kept ? corpus[runs]! : mutate(target, corpus, random)
    if (!options.goesOn(runs, input)) return runs
    const failure = failureOf(target, input)
    if (failure !== undefined) {
      const smallest = minimise(input, (candidate) => failureOf(target, candidate) !== undefined)
      throw failureOf(target, smallest) ?? failure
    }
    runs++
    if (options.coverage?.isNew() === true && runs > kept) {
      corpus.push(input)
      options.onNew?.(input)
    }
  }
}
