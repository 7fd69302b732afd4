import { fileURLToPath } from "node:url"
import * as OnDemand from "./OnDemand.ts"

/** The text of a module and all that it imports, as `Bundle.make` says. */
export const bundledText = (entry: URL): Promise<string> => OnDemand.ask("bundle", fileURLToPath(entry))

/** A module for threads, bundled. */
export const bundled = async (entry: URL): Promise<URL> =>
  new URL(`data:text/javascript,${encodeURIComponent(await bundledText(entry))}`)
