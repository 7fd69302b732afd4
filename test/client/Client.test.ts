import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import { backoffMillis } from "../../src/client/backoff.ts"
import { Client, type Options } from "../../src/client/Client.ts"
import { CannotConnect, Disconnected, NotSent } from "../../src/client/ClientError.ts"
import type { Handlers, Open } from "../../src/client/Transport.ts"

const URL = "tcp://relay:8888"

/** A connection of the client, seen from the other end. */
class Connection {
  readonly handlers: Handlers
  readonly sent: Array<string> = []
  /** Whether it takes more. */
  takesMore = true
  isEnded = false
  isDestroyed = false
  isPaused = false

  constructor(handlers: Handlers) {
    this.handlers = handlers
  }

  say(...lines: ReadonlyArray<string>) {
    for (const line of lines) this.handlers.onLine(line, false)
  }

  /** The server closes in order. */
  close() {
    this.handlers.onClose(undefined, this.isEnded)
  }
}

/** A network whose next attempts fail as often as `failures` says. */
const network = () => {
  const connections: Array<Connection> = []
  const state = { failures: 0, attempts: 0 }
  const open: Open = async (_, handlers, signal) => {
    state.attempts++
    signal.throwIfAborted()
    if (state.failures-- > 0) throw new Error("connection refused")
    const connection = new Connection(handlers)
    connections.push(connection)
    return {
      write: (line) => {
        connection.sent.push(String(line))
        return connection.takesMore
      },
      end: () => {
        connection.isEnded = true
      },
      destroy: () => {
        connection.isDestroyed = true
        handlers.onClose("given up", false)
      },
      setPaused: (isPaused) => {
        connection.isPaused = isPaused
      }
    }
  }
  return { connections, state, open }
}

const connected = async (options: Options = {}) => {
  const { connections, open, state } = network()
  const client = await Client.connect(open, URL, options)
  return { client, connections, state, connection: connections[0]! }
}

/** How a promise was rejected. */
const rejection = async (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => assert.fail("it was not rejected"),
    (error: unknown) => error
  )

const envelope = (content: string, remote_addr = "10.0.0.1:5") => JSON.stringify({ remote_addr, content })

const contents = (client: Client) => client.takeAll().map((line) => (line.type === "message" ? line.content : line.raw))

/** Lets all that is settled take effect. */
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

describe("the lines that a client receives", () => {
  it("are messages, with notices apart, and both in their order for who wants it", async () => {
    const notices: Array<string> = []
    const { client, connection } = await connected({ onNotice: (notice) => notices.push(notice) })
    connection.say(envelope("a"), "Warning: slow down.", envelope("b"))
    connection.handlers.onLine('{"remote_addr":"x","con', true)
    assert.deepStrictEqual(
      client.takeAll().map(({ raw, type }) => `${type} ${raw}`),
      [
        `message ${envelope("a")}`,
        "notice Warning: slow down.",
        `message ${envelope("b")}`,
        'truncated {"remote_addr":"x","con'
      ]
    )
    connection.say(envelope("c"), "Warning: again.", envelope("d", "bot"))
    const seen = []
    for await (const { address, content } of client.messages) if (seen.push(`${address} ${content}`) === 2) break
    assert.deepStrictEqual(seen, ["10.0.0.1:5 c", "bot d"])
    assert.deepStrictEqual(notices, ["Warning: slow down.", "Warning: again."])
  })

  it("wait for a loop that is left and begun again, none lost", async () => {
    const { client, connection } = await connected()
    const seen: Array<string> = []
    connection.say(envelope("1"), envelope("2"), envelope("3"))
    for await (const { content } of client.messages) {
      seen.push(content)
      break
    }
    const others = (async () => {
      for await (const { content } of client.messages) seen.push(content)
    })()
    await turns()
    connection.say(envelope("4"))
    await turns()
    const closed = client.close()
    connection.close()
    await Promise.all([closed, others])
    assert.deepStrictEqual(seen, ["1", "2", "3", "4"])
  })

  it("are dropped from the oldest on when nobody takes them, counted, within the limit", async () => {
    const { client, connection } = await connected({ maxBufferBytes: 100_000 })
    const count = 10_000
    for (let i = 0; i < count; i++) connection.say(envelope(`${i}`))
    const left = contents(client)
    assert.strictEqual(left.length + client.dropped, count)
    assert.strictEqual(left.at(-1), `${count - 1}`)
    assert.strictEqual(left[0], `${client.dropped}`)
    // Each costs more than 128 bytes.
    assert.isBelow(left.length, 100_000 / 128)
    assert.isAbove(left.length, 100)
    assert.isFalse(connection.isPaused)
  })

  it("are not read beyond the limit when none may be lost, until half of them are taken", async () => {
    const { client, connection } = await connected({ maxBufferBytes: 10_000, whenFull: "pause" })
    let said = 0
    while (!connection.isPaused) connection.say(envelope(`${said++}`))
    let taken = 0
    for await (const { content } of client.messages) {
      assert.strictEqual(content, `${taken++}`)
      if (!connection.isPaused) break
    }
    assert.isAtMost(Math.abs(taken - said / 2), 2)
    assert.strictEqual(client.dropped, 0)
  })

  it("are still not read on the next connection when the one before was paused", async () => {
    const { client, connection, connections } = await connected({ maxBufferBytes: 1000, whenFull: "pause" })
    while (!connection.isPaused) connection.say(envelope("x"))
    vi.useFakeTimers()
    connection.close()
    await vi.advanceTimersByTimeAsync(1000)
    vi.useRealTimers()
    assert.isTrue(connections[1]!.isPaused)
    client.takeAll()
    assert.isFalse(connections[1]!.isPaused)
  })
})

describe("a line that a client sends", () => {
  it("is taken by the connection when the promise resolves, and waits while the connection is full", async () => {
    const { client, connection } = await connected()
    await client.send("1")
    connection.takesMore = false
    await client.send("2")
    let isTaken = false
    const third = client.send("3").then(() => (isTaken = true))
    await turns()
    assert.isFalse(isTaken)
    assert.deepStrictEqual(connection.sent, ["1", "2"])
    connection.takesMore = true
    connection.handlers.onWritable()
    await third
    assert.deepStrictEqual(connection.sent, ["1", "2", "3"])
  })

  it("is refused with a line feed in it, which would make it two", async () => {
    const { client, connection } = await connected()
    for (const line of ["a\nb", "a\n", Buffer.from("a\nb")]) {
      assert.instanceOf(await rejection(client.send(line)), NotSent)
    }
    assert.deepStrictEqual(connection.sent, [])
  })

  it("is refused when too many wait because none is awaited", async () => {
    const { client, connection } = await connected({ maxBufferBytes: 10_000 })
    connection.takesMore = false
    const sent = Array.from({ length: 1000 }, (_, i) => client.send(`${i}`))
    const results = Promise.allSettled(sent)
    connection.takesMore = true
    connection.handlers.onWritable()
    const taken = (await results).filter(({ status }) => status === "fulfilled").length
    assert.strictEqual(connection.sent.length, taken)
    assert.isAbove(taken, 10_000 / 200)
    assert.isBelow(taken, 10_000 / 128 + 2)
  })

  it("waits for the next connection, whole and in order, when there is none", async () => {
    const { client, connection, connections } = await connected()
    vi.useFakeTimers()
    connection.close()
    const sent = [client.send("1"), client.send("2")]
    await vi.advanceTimersByTimeAsync(1000)
    vi.useRealTimers()
    await Promise.all(sent)
    assert.deepStrictEqual(connections[1]!.sent, ["1", "2"])
  })
})

describe("a client that has lost its connection", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }))
  afterEach(() => void vi.useRealTimers())

  it("waits about twice as long each time, from 250 ms to 10 s, and not all wait equally long", () => {
    for (let failures = 0; failures < 2000; failures++) {
      const middle = Math.min(250 * 2 ** failures, 8000)
      assert.closeTo(backoffMillis(failures, 0), middle * 0.8, 1e-9)
      assert.closeTo(backoffMillis(failures, 1), middle * 1.2, 1e-9)
      assert.isAtMost(backoffMillis(failures, 1), 10_000)
    }
  })

  it("says why and for how long it waits, and goes on with a new one", async () => {
    const said: Array<string> = []
    const { client, connection, connections } = await connected({
      onStatus: (status) =>
        said.push(status.state === "connected" ? "connected" : `${status.error.message}; ${status.retryMillis > 0}`)
    })
    assert.isTrue(client.isConnected)
    connection.say("Warning: Server is shutting down.")
    connection.close()
    assert.isFalse(client.isConnected)
    await vi.advanceTimersByTimeAsync(1000)
    assert.isTrue(client.isConnected)
    connections[1]!.say(envelope("back"))
    assert.deepStrictEqual(contents(client), ["Warning: Server is shutting down.", "back"])
    assert.deepStrictEqual(said, [
      "connected",
      `lost the connection to ${URL}: the server closed it (Server is shutting down.); true`,
      "connected"
    ])
  })

  it("gives up after as many failures in a row as it may have, with the last one", async () => {
    const { client, connection, state } = await connected({ reconnect: { attempts: 3 } })
    state.failures = 100
    connection.close()
    const sent = rejection(client.send("never"))
    const read = rejection(client.readable())
    await vi.advanceTimersByTimeAsync(60_000)
    assert.instanceOf(await read, CannotConnect)
    assert.instanceOf(await sent, NotSent)
    assert.instanceOf(await rejection(client.send("neither")), NotSent)
    assert.instanceOf(await rejection(client.messages.next()), CannotConnect)
    assert.strictEqual(state.attempts, 4)
  })

  it("counts anew after a connection that lasted, and not after one that did not", async () => {
    const retries: Array<number> = []
    const { connections } = await connected({
      reconnect: { attempts: Infinity },
      onStatus: (status) => void (status.state === "disconnected" && retries.push(status.retryMillis))
    })
    for (let i = 0; i < 6; i++) {
      connections[i]!.close()
      await turns()
      await vi.advanceTimersByTimeAsync(retries.at(-1)!)
    }
    assert.isAbove(retries[5]!, 250 * 2 ** 5 * 0.8 - 1)
    await vi.advanceTimersByTimeAsync(10_001)
    connections[6]!.close()
    await turns()
    assert.isAtMost(retries[6]!, 300)
  })

  it("waits at least as long as the quarantine lasts", async () => {
    const { connection, state } = await connected()
    connection.say("Warning: You are quarantined. Please try again in 42 seconds.")
    connection.close()
    await vi.advanceTimersByTimeAsync(41_999)
    assert.strictEqual(state.attempts, 1)
    await vi.advanceTimersByTimeAsync(1)
    assert.strictEqual(state.attempts, 2)
  })

  it("does not come back early when the quarantine is longer than a timer can be", async () => {
    const retries: Array<number> = []
    const { connection, state } = await connected({
      onStatus: (status) => void (status.state === "disconnected" && retries.push(status.retryMillis))
    })
    connection.say("Warning: You are quarantined. Please try again in 4294967295 seconds.")
    connection.close()
    await vi.advanceTimersByTimeAsync(60_000)
    assert.strictEqual(state.attempts, 1)
    assert.deepStrictEqual(retries, [2 ** 31 - 1])
  })

  it("ends if it is not to connect again", async () => {
    const { client, connection, state } = await connected({ reconnect: false })
    connection.say(envelope("last"), "Warning: Server is shutting down.")
    connection.close()
    await turns()
    assert.deepStrictEqual(contents(client), ["last", "Warning: Server is shutting down."])
    const error = await rejection(client.readable())
    assert.instanceOf(error, Disconnected)
    assert.strictEqual(error.notice, "Warning: Server is shutting down.")
    assert.strictEqual(state.attempts, 1)
  })

  it("does not connect again to close", async () => {
    const { client, connection, state } = await connected()
    connection.handlers.onClose("reset", false)
    await turns()
    assert.instanceOf(await rejection(client.close()), Disconnected)
    assert.strictEqual(state.attempts, 1)
  })
})

describe("the first connection of a client", () => {
  it("is tried once unless it is to be tried again", async () => {
    const once = network()
    once.state.failures = 1
    const error = await rejection(Client.connect(once.open, URL, {}))
    assert.instanceOf(error, CannotConnect)
    assert.strictEqual(error.message, `cannot connect to ${URL}: connection refused`)
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    const again = network()
    again.state.failures = 2
    const connecting = Client.connect(again.open, URL, { reconnect: { initially: true } })
    await vi.advanceTimersByTimeAsync(2000)
    vi.useRealTimers()
    assert.isTrue((await connecting).isConnected)
  })

  it("is given up when there is no answer in time", async () => {
    const open: Open = (_, __, signal) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("given up"))))
    const error = await rejection(Client.connect(open, URL, { connectTimeoutMillis: 1, reconnect: false }))
    assert.strictEqual(error.reason, "no answer within 0.001 s")
  })
})

describe("a client that closes", () => {
  it("says goodbye after what waits, ends its side, and gets what is still on its way", async () => {
    const { client, connection } = await connected()
    connection.takesMore = false
    await client.send("1")
    const second = client.send("2")
    const closed = client.close({ goodbye: "bye" })
    assert.instanceOf(await rejection(client.send("too late")), NotSent)
    assert.isFalse(connection.isEnded)
    connection.takesMore = true
    connection.handlers.onWritable()
    await second
    assert.deepStrictEqual(connection.sent, ["1", "2", "bye"])
    assert.isTrue(connection.isEnded)
    connection.say(envelope("late"))
    connection.close()
    await closed
    assert.deepStrictEqual(contents(client), ["late"])
    assert.isFalse(await client.readable())
    assert.deepStrictEqual(await client.messages.next(), { done: true, value: undefined })
    await client.close()
  })

  it.each(["You have been disconnected due to backpressure.", "Server is full. Please try again later."])(
    "is told that it was refused instead: %s",
    async (text) => {
      const { client, connection } = await connected()
      const closed = rejection(client.close())
      connection.say(`Warning: ${text}`)
      connection.close()
      assert.strictEqual((await closed).notice, `Warning: ${text}`)
    }
  )

  it("does not wait for ever", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    const { client, connection } = await connected()
    const closed = rejection(client.close({ timeoutMillis: 5000 }))
    await vi.advanceTimersByTimeAsync(4999)
    assert.isFalse(connection.isDestroyed)
    await vi.advanceTimersByTimeAsync(1)
    vi.useRealTimers()
    assert.include((await closed).message, "the server has not closed within 5000 ms")
    assert.isTrue(connection.isDestroyed)
  })

  it("may wait longer than a timer can run", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    const { client, connection } = await connected()
    const closed = client.close({ timeoutMillis: 2 ** 31 })
    await vi.advanceTimersByTimeAsync(1_000_000)
    vi.useRealTimers()
    assert.isFalse(connection.isDestroyed)
    connection.close()
    await closed
  })

  it("is closed by leaving a block that uses it", async () => {
    const { connections, open } = network()
    const used = (async () => {
      await using client = await Client.connect(open, URL, {})
      await client.send("hi")
    })()
    await turns()
    assert.isTrue(connections[0]!.isEnded)
    connections[0]!.close()
    await used
  })
})

describe("the signal of a client", () => {
  it("ends at once all that waits, with its reason", async () => {
    const controller = new AbortController()
    const { client, connection } = await connected({ signal: controller.signal })
    connection.takesMore = false
    await client.send("1")
    const waiting = [client.send("2"), client.readable(), client.close()].map(rejection)
    const reason = new Error("enough")
    controller.abort(reason)
    assert.deepStrictEqual(await Promise.all(waiting), [reason, reason, reason])
    assert.isTrue(connection.isDestroyed)
  })

  it("ends an attempt to connect and the pause before one", async () => {
    const reason = new Error("enough")
    const before = network()
    assert.strictEqual(await rejection(Client.connect(before.open, URL, { signal: AbortSignal.abort(reason) })), reason)
    assert.strictEqual(before.state.attempts, 0)
    const controller = new AbortController()
    const { client, connection, state } = await connected({ signal: controller.signal })
    connection.close()
    await turns()
    controller.abort(reason)
    assert.strictEqual(await rejection(client.readable()), reason)
    assert.strictEqual(state.attempts, 1)
  })
})
