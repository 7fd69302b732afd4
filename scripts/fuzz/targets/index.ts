import type { Target } from "../Target.ts"
import { config } from "./config.ts"
import { connect } from "./connect.ts"
import { envelope } from "./envelope.ts"
import { framing } from "./framing.ts"
import { logging } from "./logging.ts"

/** Everything that reads what others wrote. */
export const targets: ReadonlyArray<Target> = [framing, envelope, config, logging, connect]
