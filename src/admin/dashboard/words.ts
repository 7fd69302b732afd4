/** How clients leave, as operators say it, by the keys of `departures`. */
export const DEPARTURES: Readonly<Record<string, string>> = {
  left: "left",
  lost: "connection lost",
  idle: "disconnected: idle for too long",
  too_slow: "disconnected: read too slowly",
  backpressure: "disconnected: the room is too large",
  application: "disconnected by an operator or the program",
  shutdown: "disconnected by the shutdown",
  failed: "disconnected by an internal error"
}

export const words = (key: string) => key.replaceAll("_", " ").replace("utf 8", "UTF-8")

export const departure = (key: string): string => DEPARTURES[key] ?? `disconnected: ${words(key)}`
