import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { background } from "../internal/background.ts"
import { monotonicMillis, repeatEvery } from "../internal/time.ts"
import { Quarantine, type Suspect } from "../limits/Quarantine.ts"
import { canonicalAddress, canonicalIp } from "../net/IpAddress.ts"
import { Broadcaster } from "../room/Broadcaster.ts"
import { Bus, type Peer, type RoomClient, type RoomClients } from "../room/Bus.ts"
import { Cluster } from "../room/Cluster.ts"
import { ClientRegistry } from "../session/ClientRegistry.ts"
import { PeerTable } from "./PeerTable.ts"

/** Time for the other processes to list their clients, in milliseconds. */
const ANSWER_MILLIS = 1000

/** The most clients that a process lists for another, by whatever way. */
export const MAX_LISTED = 10_000

/** The most quarantined addresses that a process tells a new one: the newest. */
const MAX_TOLD = 10_000

/**
 * A quarantine is renewed if another process tells of one that is longer by more than this, in milliseconds: a message on its way says more
 * than is left, and relay threads share the list that it tells of.
 */
const RENEWAL_MILLIS = 1000

/** The most bytes that a message takes beside the items of a list. */
const LIST_BYTES = 150

/** Questions under way at once. More have to wait. */
const QUESTIONS_AT_ONCE = 8

/** Messages of others are checked as far as something here depends on them. */
const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
/** Shown in the log. */
const Name = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\u2028\u2029]{0,255}$/u))
/** The last time that a date can be, in milliseconds. */
const LAST_DATE = 8.64e15

const Listed = Schema.Struct({
  address: Schema.String,
  ip: Schema.String,
  transport: Schema.String,
  subject: Schema.optional(Schema.String),
  connectedSince: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: LAST_DATE })),
  linesIn: Count,
  linesOut: Count,
  bytesIn: Count,
  bytesOut: Count,
  bytesWaiting: Count,
  state: Schema.Literals(["pending", "active", "throttled", "paused", "waiting", "slow"])
})

/** Messages between processes. */
const Message = Schema.Union([
  /** It has come, or has come back, and asks what it should know. */
  Schema.TaggedStruct("Hello", { name: Name, clients: Count }),
  Schema.TaggedStruct("Alive", { name: Name, clients: Count }),
  Schema.TaggedStruct("Goodbye", {}),
  /** Each has to stay out for so many milliseconds from now on. */
  Schema.TaggedStruct("Quarantined", { entries: Schema.Array(Schema.Tuple([Schema.String, Schema.Finite])) }),
  Schema.TaggedStruct("Lifted", { key: Schema.String }),
  Schema.TaggedStruct("WhoIsThere", { request: Count }),
  Schema.TaggedStruct("Clients", {
    request: Count,
    clients: Schema.Array(Listed),
    /** Not `undefined` in the last message of an answer. */
    omitted: Schema.optionalKey(Count)
  })
])

type Message = typeof Message.Type

const decode = Schema.decodeUnknownResult(Message)

/** A request for the clients of the others, not yet answered by all. */
interface Question {
  /** Those that have not answered, each with the number of clients that it has listed so far. */
  readonly silent: Map<string, number>
  readonly clients: Array<RoomClient>
  omitted: number
  readonly answered: Deferred.Deferred<void>
}

/**
 * Joins the room to those of other processes, and exchanges with them which processes are alive, which clients are quarantined, and which are
 * connected. None of it is on the way of a line.
 */
export const layer = Layer.effect(
  Cluster,
  Effect.gen(function* () {
    const bus = yield* Bus
    const quarantine = yield* Quarantine
    const registry = yield* ClientRegistry
    yield* (yield* Broadcaster).connect(bus)
    const name = bus.self?.name ?? ""
    const clock = yield* Clock.Clock
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const now = () => monotonicMillis(clock)
    const peers = new PeerTable<Peer>()
    const questions = new Map<number, Question>()
    const turns = yield* Semaphore.make(QUESTIONS_AT_ONCE)
    let requests = 0

    const tell = tellBy(bus)
    const split = <A>(items: ReadonlyArray<A>) => splitList(items, bus.maxMessageBytesUnsafe() - LIST_BYTES)
    const sign = () => ({ name, clients: registry.clientsUnsafe().length })

    const tellQuarantine = (to?: string) => {
      const entries = quarantine
        .listUnsafe()
        .slice(-MAX_TOLD)
        .map(({ key, remainingMillis }) => [key, Math.ceil(remainingMillis)] as const)
      for (const some of split(entries).messages) tell({ _tag: "Quarantined", entries: some }, to)
    }

    const tellClients = (request: number, to: string) => {
      const all = registry.clientsUnsafe()
      const listed = Array.from(all.slice(0, MAX_LISTED), (client) => ({
        ...client,
        connectedSince: client.connectedSince.getTime()
      }))
      const { messages, omitted } = split(listed)
      for (const clients of messages) tell({ _tag: "Clients", request, clients }, to)
      tell({ _tag: "Clients", request, clients: [], omitted: omitted + all.length - listed.length }, to)
    }

    const heard = (id: string, { clients, name }: { readonly name: string; readonly clients: number }) => {
      const isNew = peers.get(id) === undefined
      peers.heard(id, { id, name, clients }, now())
      if (!isNew) return
      runFork(Effect.logInfo(`relay ${name} is part of the room (${others(peers.size)})`))
      runFork(forgetGone)
    }

    const forget = (id: string, why: string) => {
      const peer = peers.leave(id)
      if (peer === undefined) return Effect.void
      for (const question of questions.values()) settle(question, id)
      return Effect.logInfo(`relay ${peer.name} ${why} (${others(peers.size)})`)
    }

    const forgetGone = Effect.suspend(() =>
      Effect.forEach(peers.gone(now()), (id) => forget(id, "is not heard any more"), { discard: true })
    )

    /** Nothing more comes from this one. */
    const settle = ({ answered, silent }: Question, id: string) => {
      if (silent.delete(id) && silent.size === 0) Deferred.doneUnsafe(answered, Exit.void)
    }

    const onMessage = (text: string, from: string) => {
      const decoded = parse(text)
      if (decoded === undefined) return
      switch (decoded._tag) {
        case "Hello":
          heard(from, decoded)
          tell({ _tag: "Alive", ...sign() }, from)
          return tellQuarantine(from)
        case "Alive":
          return heard(from, decoded)
        case "Goodbye":
          return void runFork(forget(from, "has left the room"))
        case "Quarantined": {
          if (quarantine.scope === undefined) return
          const longest = quarantine.cooldownMillisUnsafe()
          for (const [key, told] of decoded.entries) {
            const isKey = (quarantine.scope === "ip" ? canonicalIp(key) : canonicalAddress(key)) === key
            const millis = Math.min(told, longest)
            if (!isKey) continue
            const remaining = quarantine.remainingMillisUnsafe({ ip: key, address: key })
            if (millis > remaining + (remaining > 0 ? RENEWAL_MILLIS : 0)) quarantine.addKeyUnsafe(key, millis)
          }
          return
        }
        case "Lifted":
          return void quarantine.liftUnsafe(decoded.key)
        case "WhoIsThere":
          return tellClients(decoded.request, from)
        case "Clients": {
          const question = questions.get(decoded.request)
          const listed = question?.silent.get(from)
          if (question === undefined || listed === undefined || listed > MAX_LISTED) return
          const relay = peers.get(from)?.name ?? from
          for (const client of decoded.clients) {
            question.clients.push({ ...client, connectedSince: new Date(client.connectedSince), relay })
          }
          question.silent.set(from, listed + decoded.clients.length)
          if (decoded.omitted === undefined) return
          question.omitted += decoded.omitted
          return settle(question, from)
        }
      }
    }
    const parse = (text: string): Message | undefined => {
      const decoded = Result.flatMap(
        Result.try(() => JSON.parse(text)),
        (value) => decode(value)
      )
      if (Result.isSuccess(decoded)) return decoded.success
      // Of another version, which may be newer.
      runFork(Effect.logDebug(`a message of another relay was not understood: ${text.slice(0, 100)}`))
      return undefined
    }

    const announce = Effect.gen(function* () {
      tell({ _tag: "Alive", ...sign() })
      yield* forgetGone
    })

    if (bus.self !== undefined) {
      yield* bus.listen({
        onMessage,
        onUp: () => {
          tell({ _tag: "Hello", ...sign() })
          // The others have missed these while they could not be reached.
          tellQuarantine()
        }
      })
      yield* background(
        "the other relays are not told any more that this one is there",
        repeatEvery(() => 1, announce)
      )
      yield* Effect.addFinalizer(() => Effect.sync(() => tell({ _tag: "Goodbye" })))
    }

    const own = (): ReadonlyArray<RoomClient> =>
      Array.from(registry.clientsUnsafe(), (client) => ({ ...client, relay: name }))

    const ask = Effect.fnUntraced(function* () {
      const request = ++requests
      const silent = new Map(Array.from(peers.entries(), ([id]) => [id, 0]))
      const question: Question = { silent, clients: [], omitted: 0, answered: Deferred.makeUnsafe() }
      if (silent.size > 0) {
        questions.set(request, question)
        tell({ _tag: "WhoIsThere", request })
        yield* Effect.timeoutOption(Deferred.await(question.answered), ANSWER_MILLIS).pipe(
          Effect.ensuring(Effect.sync(() => questions.delete(request)))
        )
      }
      return {
        clients: [...own(), ...question.clients],
        silent: Array.from(silent.keys(), (id) => peers.get(id)?.name ?? id),
        omitted: question.omitted
      } satisfies RoomClients
    })

    return {
      stats: bus.stats,
      peers: Effect.sync(() => Array.from(peers.entries(), ([, peer]) => peer)),
      clients: turns.withPermit(Effect.suspend(ask))
    }
  })
)

/** Shares the `Quarantine` that it requires with the other processes. */
export const layerQuarantine = Layer.effect(
  Quarantine,
  Effect.gen(function* () {
    const bus = yield* Bus
    const quarantine = yield* Quarantine
    return bus.self === undefined ? quarantine : shared(quarantine, tellBy(bus))
  })
)

const tellBy = (bus: Bus["Service"]) => (message: Message, to?: string) => bus.tellUnsafe(JSON.stringify(message), to)

/** A quarantine that tells the others of clients that it adds and lifts. */
const shared = (quarantine: Quarantine["Service"], tell: (message: Message) => void): Quarantine["Service"] => {
  const { addKeyUnsafe, addUnsafe, liftUnsafe, scope } = quarantine
  if (scope === undefined) return quarantine
  const tellOf = (client: Suspect) => {
    const millis = quarantine.remainingMillisUnsafe(client)
    const key = scope === "ip" ? client.ip : client.address
    if (millis > 0) tell({ _tag: "Quarantined", entries: [[key, Math.ceil(millis)]] })
  }
  return {
    ...quarantine,
    addUnsafe: (client) => {
      addUnsafe(client)
      tellOf(client)
    },
    addKeyUnsafe: (key, millis) => {
      addKeyUnsafe(key, millis)
      tellOf({ ip: key, address: key })
    },
    liftUnsafe: (key) => {
      const wasKeptOut = liftUnsafe(key)
      tell({ _tag: "Lifted", key })
      return wasKeptOut
    }
  }
}

const others = (count: number) => (count === 1 ? "1 other" : `${count} others`)

/** Splits a list into messages of at most so many bytes of JSON. Items that are longer by themselves are left out and counted. */
const splitList = <A>(items: ReadonlyArray<A>, maxBytes: number) => {
  const messages: Array<Array<A>> = []
  let bytesLeft = 0
  let omitted = 0
  for (const item of items) {
    const bytes = Buffer.byteLength(JSON.stringify(item)) + 1
    if (bytes > maxBytes) {
      omitted++
      continue
    }
    if (bytes > bytesLeft) {
      messages.push([])
      bytesLeft = maxBytes
    }
    messages.at(-1)!.push(item)
    bytesLeft -= bytes
  }
  return { messages, omitted }
}
