import { assert, describe, it } from "@effect/vitest"
import { corpusOf, Failure, fuzz, replay } from "../../scripts/fuzz/fuzz.ts"
import type { Target } from "../../scripts/fuzz/Target.ts"
import { targets } from "../../scripts/fuzz/targets/index.ts"

const MUTATIONS = 1000

describe.each(targets)("the fuzz target $name", (target) => {
  it("holds for the whole corpus", () => {
    const corpus = corpusOf(target)
    assert.isAbove(corpus.size, 0)
    for (const [file, input] of corpus) {
      try {
        replay(target, input)
      } catch (cause) {
        throw new Error(`npm run fuzz -- ${target.name} --input scripts/fuzz/corpus/${target.name}/${file}`, { cause })
      }
    }
  })

  it("holds for what is made from it", () => {
    const { size } = corpusOf(target)
    assert.strictEqual(fuzz(target, { seed: 1, goesOn: (runs) => runs < size + MUTATIONS }), size + MUTATIONS)
  })
})

describe("the fuzzer", () => {
  /** Fails for a number in brackets behind a word. */
  const faulty: Target = {
    name: "faulty",
    dictionary: ["word"],
    run: (input) => {
      if (/word.*\[\d\]/s.test(input.toString("latin1"))) throw new Error("found")
    }
  }

  const failure = (seed: number): Failure => {
    try {
      fuzz(faulty, { seed, corpus: [Buffer.from("some [5] thing")], goesOn: (runs) => runs < 10_000 })
    } catch (cause) {
      if (cause instanceof Failure) return cause
    }
    return assert.fail("nothing was found")
  }

  it("finds what fails, and makes it small", () => {
    const { input, message } = failure(1)
    assert.match(input.toString("latin1"), /^word\[\d\]$/)
    assert.match(message, /^faulty: Error: found/)
    assert.throws(() => replay(faulty, input), Failure)
  })

  it("does the same for the same seed", () => {
    const made = (seed: number) => {
      const inputs: Array<string> = []
      const goesOn = (runs: number, input: Buffer) => {
        inputs.push(input.toString("latin1"))
        return runs < 100
      }
      fuzz({ ...faulty, run: () => {} }, { seed, corpus: [Buffer.from("seed")], goesOn })
      return inputs
    }
    assert.deepStrictEqual(made(3), made(3))
    assert.notDeepEqual(made(3), made(4))
  })
})
