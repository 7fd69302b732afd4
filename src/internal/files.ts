/** Reading files, also where a network mount hangs: a signal ends the process meanwhile, which no synchronous call allows. */
import type { Stats } from "node:fs"
import { open, stat } from "node:fs/promises"

/** Reads a file. Unlike that of `fs.readFile`, an operation that hangs is listed by `process.getActiveResourcesInfo`. */
export const readFile = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** @returns `undefined` if there is no such file */
export const statIfPresent = (path: string): Promise<Stats | undefined> =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined
    throw error
  })
