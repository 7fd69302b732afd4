/** Draws what `top` shows. */
import * as Arr from "effect/Array"
import type * as AdminApi from "../../admin/AdminApi.ts"
import { bytes, count, duration, millis } from "../../admin/formats.ts"
import type { Readings } from "../../admin/Readings.ts"
import { VALUES } from "../../admin/values.ts"
import { escapeText } from "../../internal/escape.ts"

export type Client = typeof AdminApi.Client.Type
export type Change = typeof AdminApi.Change.Type

export interface Scene {
  readonly url: string
  readonly readings: Readings
  readonly clients: ReadonlyArray<Client>
  /** The newest first. */
  readonly changes: ReadonlyArray<Change>
  /** Why there is nothing new. */
  readonly problem?: string | undefined
}

const CHANGES_SHOWN = 5

/** The lines of the picture, none longer than the terminal is wide. `size`: columns, and rows for as many clients and events as fit. */
export const picture = (scene: Scene, size: { readonly columns: number; readonly rows: number }): Array<string> => {
  const head = heading(scene)
  const changes = scene.changes.slice(0, CHANGES_SHOWN).map(changeLine)
  const room = size.rows - head.length - (changes.length > 0 ? changes.length + 2 : 0) - 2
  const clients = clientTable(scene.clients.slice(0, Math.max(0, room)), scene.readings.now?.time ?? 0)
  const lines = [...head, "", ...clients, ...(changes.length > 0 ? ["", "Recent events", ...changes] : [])]
  return lines.slice(0, size.rows).map((line) => Array.from(escapeText(line)).slice(0, size.columns).join("").trimEnd())
}

/** A shorter value does not move those beside it. */
const VALUE_WIDTH = 9

const heading = ({ problem, readings, url }: Scene): Array<string> => {
  const { now } = readings
  const alarm = problem === undefined ? [] : [`! ${problem}`]
  if (now === undefined) return [`summoner-server  ${url}`, ...alarm]
  const uptime = duration((now.time - Date.parse(now.started_at)) / 1000)
  const tiles = [
    ...VALUES.map(({ format, name, value }) => [name, format(value(readings))]),
    ["Connections", count(now.connections)],
    ["Latency p50", millis(readings.latency(0.5, 10))],
    ["Worst client", bytes(now.bytes_waiting_max)]
  ].map(([name, value]) => [name!, value!.padEnd(VALUE_WIDTH)])
  const { cluster } = now
  const peers = cluster.peers.map(({ clients, name }) => `${name} (${count(clients)})`).join(", ")
  return [
    `summoner-server ${now.version}  ${now.state}  up ${uptime}  ${url}`,
    ...alarm,
    ...aligned(Arr.chunksOf(tiles.flat(), 6), 6),
    ...(cluster.state === "none" ? [] : [`Cluster ${cluster.state}${peers === "" ? "" : `: ${peers}`}`])
  ]
}

const clientTable = (clients: ReadonlyArray<Client>, now: number): Array<string> => {
  const rows = clients.map((client) => [
    client.address,
    client.state,
    duration((now - Date.parse(client.connected_at)) / 1000),
    count(client.lines_in),
    count(client.lines_out),
    bytes(client.bytes_in),
    bytes(client.bytes_out),
    bytes(client.bytes_waiting)
  ])
  const table = [["Client", "State", "Connected", "Lines in", "Lines out", "In", "Out", "Backlog"], ...rows]
  return aligned(table, 2)
}

/** @param texts columns before those of numbers, which are aligned on the right */
const aligned = (table: ReadonlyArray<ReadonlyArray<string>>, texts: number): Array<string> => {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table.map((row) =>
    row.map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ")
  )
}

const changeLine = ({ at, client, reason, type }: Change): string => {
  const what = type === "state" ? `${reason} → ${client.state}` : type === "disconnected" ? `left: ${reason}` : type
  return `${new Date(at).toTimeString().slice(0, 8)}  ${client.address}  ${what}`
}
