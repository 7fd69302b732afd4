/** Which is `dist/cli/` for modules of `src`, too. */
const FOLDER = new URL(import.meta.url.endsWith(".ts") ? "../../dist/cli/" : "../cli/", import.meta.url)

/** Where a file is that `npm run build` has bundled for the program: the library uses the same one. */
export const builtFile = (name: string): URL => new URL(name, FOLDER)
