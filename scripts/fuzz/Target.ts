import type { Random } from "./Random.ts"

/** Code under fuzzing, with what must hold for it whatever it is given. */
export interface Target {
  /** Also the name of its directory in the corpus. */
  readonly name: string
  /** Texts that random bytes hardly ever become, and that mean something here. */
  readonly dictionary: ReadonlyArray<string>
  /** Throws when something does not hold. Must do the same for the same input. */
  readonly run: (input: Buffer) => void
  /** A way to change an input that knows its form; `undefined` if it does not have that form. */
  readonly reshape?: (input: Buffer, random: Random) => Buffer | undefined
}
