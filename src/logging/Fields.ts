/**
 * What the server says in a log line, as fields for loggers that show them: annotations whose names begin with `summoner.`. The text of the line
 * has it too, so the formats of `server.json` leave them out.
 */
import type { ClientIdentity } from "../net/ClientIdentity.ts"

const PREFIX = "summoner."

/** Fields by name: `summoner.clients`. */
export type Fields = { [name: `summoner.${string}`]: unknown }

/** The client that a line is about. */
export const ofClient = ({ address, ip, subject, transport }: ClientIdentity): Fields => ({
  "summoner.client.address": address,
  "summoner.client.ip": ip,
  "summoner.client.transport": transport,
  ...(subject !== undefined && { "summoner.client.subject": subject })
})

/** Whether an annotation repeats what the text of its line says. */
export const isField = (name: string): boolean => name.startsWith(PREFIX)

export const fieldsIn = (annotations: Readonly<Record<string, unknown>>): Fields =>
  Object.fromEntries(Object.entries(annotations).filter(([name]) => isField(name)))
