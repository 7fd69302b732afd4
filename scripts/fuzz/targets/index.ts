import type { Target } from "../Target.ts"
import { config } from "./config.ts"
import { connect } from "./connect.ts"
import { envelope } from "./envelope.ts"
import { frames } from "./frames.ts"
import { framing } from "./framing.ts"
import { logging } from "./logging.ts"

/** Everything that reads what others wrote. */
export const targets: ReadonlyArray<Target> = [framing, frames, envelope, config, logging, connect]
