import type { Written } from "../config/ServerConfig.ts"

interface Preset {
  readonly title: string
  readonly host?: string
  readonly logger?: Written["logger"]
  readonly hyper_parameters: NonNullable<Written["hyper_parameters"]>
}

/** Nobody is disconnected for speaking in a large room: `max_clients` bounds it. */
const NO_PRESSURE = { enable_throttle: false, enable_flow_control: false, enable_disconnect: false }

/** Who reads slowly gets the newest lines. */
const NEWEST_FIRST = {
  policy: "drop_oldest",
  soft_limit_bytes: 262_144,
  hard_limit_bytes: 1_048_576,
  stall_grace_ms: 20
} as const

/** Configurations to begin with (docs/deploying.md#recipes). */
export const presets = {
  agents: {
    title: "AI agents that speak often, and may stop reading while they think",
    hyper_parameters: {
      rate_limit_msgs_per_minute: 600,
      client_timeout_secs: null,
      max_clients: 1000,
      backpressure_policy: NO_PRESSURE
    }
  },
  chat: {
    title: "people and agents who talk with each other",
    logger: { log_keys: [] },
    hyper_parameters: {
      rate_limit_msgs_per_minute: 120,
      client_timeout_secs: null,
      max_clients: 500,
      throttle_delay_ms: 100,
      backpressure_policy: { throttle_threshold: 300, enable_flow_control: false, enable_disconnect: false }
    }
  },
  game: {
    title: "a game: many small updates, of which the newest counts",
    logger: { log_level: "WARNING" },
    hyper_parameters: {
      rate_limit_msgs_per_minute: 6000,
      client_timeout_secs: 60,
      timeout_check_interval_secs: 10,
      max_clients: 1000,
      backpressure_policy: NO_PRESSURE,
      slow_consumer: NEWEST_FIRST
    }
  },
  broadcast: {
    title: "few that send, thousands that listen",
    logger: { log_level: "WARNING" },
    hyper_parameters: {
      rate_limit_msgs_per_minute: 60_000,
      client_timeout_secs: null,
      max_clients: 10_000,
      backpressure_policy: NO_PRESSURE,
      slow_consumer: NEWEST_FIRST
    }
  },
  public: {
    title: "a room on the Internet, into which anybody may come",
    host: "0.0.0.0",
    logger: { log_level: "WARNING" },
    hyper_parameters: {
      rate_limit_msgs_per_minute: 30,
      rate_limit_scope: "ip",
      client_timeout_secs: 300,
      max_clients: 2000,
      max_clients_per_ip: 20,
      max_line_bytes: 8192,
      quarantine_cooldown_secs: 3600,
      shutdown_grace_ms: 1000,
      backpressure_policy: { throttle_threshold: 500, enable_flow_control: false, enable_disconnect: false },
      slow_consumer: { soft_limit_bytes: 262_144, hard_limit_bytes: 1_048_576, stall_grace_ms: 20 }
    }
  }
} satisfies Record<string, Preset>

/** One of `presets`. */
export type PresetName = keyof typeof presets

export const presetNames = Object.keys(presets) as ReadonlyArray<PresetName>

/** What fits most rooms. */
export const DEFAULT_PRESET: PresetName = "agents"

/** The content of a `server.json`. */
export const starterOf = (name: PresetName, schemaFile: string): Written => {
  const { host = "127.0.0.1", hyper_parameters, logger }: Preset = presets[name]
  return {
    $schema: `./${schemaFile}`,
    host,
    port: 8888,
    version: "rust",
    logger: { log_level: "INFO", enable_console_log: true, enable_file_log: false, ...logger },
    hyper_parameters
  }
}
