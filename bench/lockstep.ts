import { once } from "node:events"
import { readdirSync } from "node:fs"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

/** A client that counts what it gets. */
class Listener {
  readonly socket: Net.Socket
  readonly #onProgress: () => void
  received = 0

  constructor(port: number, onProgress: () => void) {
    this.#onProgress = onProgress
    this.socket = Net.connect({ port, host: "127.0.0.1", noDelay: true })
    this.socket.on("data", (chunk: Buffer) => {
      this.received += chunk.length
      this.#onProgress()
    })
  }
}

/**
 * One sender and some receivers, in lockstep: the next lines leave when everybody has the ones before. So the server does
 * the same work in every run, turn by turn of its event loop, however fast the machine is.
 */
export class Lockstep {
  readonly #sender: Listener
  readonly #receivers: ReadonlyArray<Listener>
  #expected = 0
  #behind = 0
  #done: () => void = () => {}

  private constructor(port: number, receivers: number) {
    const onProgress = () => {
      for (let i = this.#behind; i < this.#receivers.length; i++) {
        if (this.#receivers[i]!.received < this.#expected) return void (this.#behind = i)
      }
      this.#behind = this.#receivers.length
      this.#done()
    }
    this.#sender = new Listener(port, () => {})
    this.#receivers = Array.from({ length: receivers }, () => new Listener(port, onProgress))
  }

  /** Connects to the server with that process id. */
  static async connect(pid: number, port: number, receivers: number): Promise<Lockstep> {
    const self = new Lockstep(port, receivers)
    await Promise.all([self.#sender, ...self.#receivers].map(({ socket }) => once(socket, "connect")))
    // Nobody is told when they have been let in. Lines sent until they arrive would be more in one run than in the next.
    const openFiles = () => readdirSync(`/proc/${pid}/fd`).length
    for (let [was, is] = [0, openFiles()]; is !== was || is < receivers; [was, is] = [is, openFiles()]) await sleep(500)
    return self
  }

  /** Sends `lines` lines of `bytes` bytes at once, `rounds` times over. */
  async run(rounds: number, lines: number, bytes: number): Promise<void> {
    const { address, port } = this.#sender.socket.address() as Net.AddressInfo
    const line = "x".repeat(bytes - 1)
    const data = Buffer.from(`${line}\n`.repeat(lines))
    const envelope = `{"remote_addr":"${address}:${port}","content":"${line}"}\n`.length
    for (let i = 0; i < rounds; i++) {
      this.#expected += envelope * lines
      this.#behind = 0
      const done = new Promise<void>((resolve) => (this.#done = resolve))
      this.#sender.socket.write(data)
      await done
    }
    for (const { received } of this.#receivers) {
      if (received !== this.#expected) throw new Error(`a client got ${received} bytes instead of ${this.#expected}`)
    }
  }

  close(): void {
    for (const { socket } of [this.#sender, ...this.#receivers]) socket.destroy()
  }
}
