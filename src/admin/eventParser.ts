/** The longest event, in characters. */
const MAX_EVENT = 1_000_000

/**
 * Reads server-sent events as the admin server writes them, for the dashboard and `top`.
 *
 * @returns takes the next piece of the stream, and returns the events that it completes; throws for what is no such stream
 */
export const eventParser = () => {
  let rest = ""
  return (text: string): ReadonlyArray<{ readonly name: string; readonly data: unknown }> => {
    const events = (rest + text).split("\n\n")
    rest = events.pop()!
    if (rest.length > MAX_EVENT) throw new Error("it sends an event that is too long")
    return events.map((event) => {
      const [, name = "", data = "null"] = /^event: (.*)\ndata: (.*)$/m.exec(event) ?? []
      return { name, data: JSON.parse(data) }
    })
  }
}
