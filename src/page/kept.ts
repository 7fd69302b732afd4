/**
 * A text that the browser keeps. Where pages may store nothing, as with all cookies blocked, the text lasts as long as the page.
 *
 * @param storage asked for each time: reading the property of `window` may throw
 */
export const kept = (key: string, storage: () => Storage) => {
  let unstored: string | null = null
  return {
    get: (): string | null => {
      try {
        return storage().getItem(key)
      } catch {
        return unstored
      }
    },
    set: (text: string | null): void => {
      unstored = text
      try {
        if (text === null) storage().removeItem(key)
        else storage().setItem(key, text)
      } catch {
        // `get` has it from here.
      }
    }
  }
}
