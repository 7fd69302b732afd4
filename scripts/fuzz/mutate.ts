import type { Random } from "./Random.ts"
import type { Target } from "./Target.ts"

/** Longer inputs find little that shorter ones do not, and take their time. */
export const MAX_INPUT_BYTES = 4096

/** Bytes at which UTF-8, lines and JSON do something else. */
const BYTES = Buffer.from("00090a0a0a0d0d1b1f2022272c2d2e2f30393a405b5c5d757b7d7f80859ba8bfc0c2c3e2edeff0f4ff", "hex")

type Change = (input: Buffer, random: Random, target: Target, corpus: ReadonlyArray<Buffer>) => Buffer

const range = (input: Buffer, random: Random): readonly [from: number, to: number] => {
  const from = random.below(input.length + 1)
  const longest = Math.min(input.length - from, random.below(2) === 0 ? 8 : MAX_INPUT_BYTES)
  return [from, from + random.below(longest + 1)]
}

const insert = (input: Buffer, at: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([input.subarray(0, at), bytes, input.subarray(at)])

const withByte = (input: Buffer, random: Random, byte: (old: number) => number): Buffer => {
  const changed = Buffer.from(input)
  if (changed.length > 0) {
    const at = random.below(changed.length)
    changed[at] = byte(changed[at]!)
  }
  return changed
}

const CHANGES: ReadonlyArray<Change> = [
  (input, random) => withByte(input, random, (old) => old ^ (1 << random.below(8))),
  (input, random) => withByte(input, random, () => random.pick(BYTES)),
  (input, random) => withByte(input, random, () => random.below(256)),
  (input, random) => insert(input, random.below(input.length + 1), Buffer.from([random.pick(BYTES)])),
  (input, random) =>
    insert(input, random.below(input.length + 1), Buffer.alloc(1 + random.below(80), random.pick(BYTES))),
  (input, random, { dictionary }) =>
    insert(input, random.below(input.length + 1), Buffer.from(dictionary.length === 0 ? "" : random.pick(dictionary))),
  (input, random) => {
    const [from, to] = range(input, random)
    return Buffer.concat([input.subarray(0, from), input.subarray(to)])
  },
  (input, random) => {
    const [from, to] = range(input, random)
    return insert(input, random.below(input.length + 1), input.subarray(from, to))
  },
  (input, random, _, corpus) => {
    const [from, to] = range(random.pick(corpus), random)
    return insert(input, random.below(input.length + 1), random.pick(corpus).subarray(from, to))
  },
  (input, random, _, corpus) => {
    const other = random.pick(corpus)
    return Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1))
    ])
  },
  (input, random, { reshape }) => reshape?.(input, random) ?? input,
  (input, random, { reshape }) => reshape?.(input, random) ?? input
]

/** Another input, made of one of the corpus by a few changes. */
export const mutate = (target: Target, corpus: ReadonlyArray<Buffer>, random: Random): Buffer => {
  let input = random.pick(corpus)
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    input = random.pick(CHANGES)(input, random, target, corpus).subarray(0, MAX_INPUT_BYTES)
  }
  return Buffer.from(input)
}

/** As much as possible left out, as long as it still fails. */
export const minimise = (input: Buffer, fails: (input: Buffer) => boolean): Buffer => {
  let smallest = input
  for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length;) {
      const candidate = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)])
      if (fails(candidate)) smallest = candidate
      else at += size
    }
  }
  return smallest
}
