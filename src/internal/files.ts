/** Reading and writing files, also where a network mount hangs: a signal ends the process meanwhile, which no synchronous call allows. */
import type { Stats } from "node:fs"
import { type FileHandle, open, rm, stat, writeFile } from "node:fs/promises"

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

/** Overwrites a file from its beginning. What is in it keeps its place on the disk until it is overwritten. */
const overwrite = async (file: FileHandle, content: Buffer) => {
  for (let at = 0; at < content.length;) at += (await file.write(content, at, content.length - at, at)).bytesWritten
  await file.truncate(content.length)
}

/** Writes a file whole, or leaves what was there: nothing, or `before`, in the same file with its owner, mode and links. */
export const writeWhole = async (path: string, text: string, before: Buffer | undefined): Promise<void> => {
  if (before === undefined) {
    return writeFile(path, text, { flag: "wx" }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") await rm(path, { force: true })
      throw error
    })
  }
  const file = await open(path, "r+")
  try {
    await overwrite(file, Buffer.from(text)).catch(async (error) => {
      await overwrite(file, before)
      throw error
    })
  } finally {
    await file.close()
  }
}
