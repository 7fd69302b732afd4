import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { sortable, type SortKey } from "../admin/sortable.ts"
import { invisibleIn } from "../internal/escape.ts"
import { endOnHangup, untilSignal } from "./exitProcess.ts"

export interface Parameters {
  /** The admin port, without a path. */
  readonly url: URL
  readonly sort: SortKey
}

const urlOf = (text: string): Option.Option<URL> => {
  const url = /^\d+$/.test(text) ? `http://127.0.0.1:${text}` : text
  if (!/^https?:/.test(url) || invisibleIn(url) !== undefined || !URL.canParse(url)) return Option.none()
  const parsed = new URL(url)
  // The admin port takes a token: a password in the URL would not be sent.
  return parsed.username === "" && parsed.password === "" ? Option.some(parsed) : Option.none()
}

export const top = Command.make(
  "top",
  {
    url: Argument.String("url").pipe(
      Argument.withDescription("Admin port of the server, as a URL or a port of this machine (default: 9090)"),
      Argument.withDefault("9090"),
      Argument.filterMap(urlOf, () => "a URL such as http://127.0.0.1:9090, or a port")
    ),
    sort: Flag.Literals("sort", sortable).pipe(
      Flag.withDescription("What the clients are sorted by, the largest first (default: lines_in)"),
      Flag.withDefault("lines_in")
    )
  },
  // No other command needs the code.
  (parameters: Parameters) =>
    Effect.flatMap(
      Effect.promise(() => import("./top/run.ts")),
      ({ run }) => Effect.andThen(endOnHangup, untilSignal(Effect.scoped(run(parameters))))
    )
).pipe(
  Command.withDescription(`Show on a terminal what a server does, second by second, as its dashboard does: rates, latency, limits met, clients and recent events. q and Ctrl-C leave.

Without a terminal one picture is printed. SUMMONER_ADMIN_TOKEN is the token, where the server asks for one.

Exit codes: 0 left, or the picture was printed; 1 usage error; 2 there is no answer, or not that of an admin port.`),
  Command.withShortDescription("Show what a server does, in a terminal"),
  Command.withExamples([
    { command: "summoner-server top", description: "The server of this machine with its admin port at 9090" },
    { command: "summoner-server top --sort bytes_waiting 9091", description: "Who reads slowly" }
  ])
)
