import { SOAK } from "../faults/form.ts"

/** How many examples a property is tried with: so many with every `npm test`, and twenty times as many with `SOAK=1`. */
export const runs = (quick: number) => ({ arbitrary: { runs: SOAK ? 20 * quick : quick } })
