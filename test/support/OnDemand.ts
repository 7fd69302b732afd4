import { inject } from "vitest"
import type { Makers } from "./OnDemand.setup.ts"

/** Whether there is something to ask: not where the tests of components are left out. */
export const isThere = inject("onDemand") !== undefined

/** What a name stands for, which the first test that asks has made. */
export const ask = async <Name extends keyof Makers>(
  name: Name,
  ...of: Parameters<Makers[Name]>
): Promise<Awaited<ReturnType<Makers[Name]>>["value"]> => {
  const response = await fetch(`${inject("onDemand")}/${name}?${new URLSearchParams(of.map((of) => ["of", of]))}`, {
    headers: { connection: "close" }
  })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as Awaited<ReturnType<Makers[Name]>>["value"]
}
