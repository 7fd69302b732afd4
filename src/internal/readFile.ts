import { open } from "node:fs/promises"

/** Reads a file. Unlike that of `fs.readFile`, an operation that hangs is listed by `process.getActiveResourcesInfo`. */
export const readFile = async (path: string): Promise<Buffer> => {
  const file = await open(path)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}
