import { once } from "node:events"
import * as Net from "node:net"

/** A client that counts what it gets. */
class Client {
  readonly socket: Net.Socket
  received = 0
  expected = 0

  constructor(port: number, onProgress: () => void) {
    this.socket = Net.connect({ port, host: "127.0.0.1", noDelay: true })
    this.socket.on("data", (chunk: Buffer) => {
      this.received += chunk.length
      onProgress()
    })
  }

  /** Bytes of the envelope of one of its lines. */
  envelopeBytes(content: string): number {
    const { address, port } = this.socket.address() as Net.AddressInfo
    return `{"remote_addr":"${address}:${port}","content":"${content}"}\n`.length
  }
}

/**
 * One sender and some receivers, in lockstep: the next lines leave when everybody has the ones before. So the server does
 * the same work in every run, turn by turn of its event loop, however fast the machine is.
 */
export class Lockstep {
  readonly #port: number
  /** The sender is the first. */
  readonly #clients: Array<Client> = []
  #behind = 0
  #done: () => void = () => {}

  private constructor(port: number) {
    this.#port = port
  }

  /** Connects to the server at that port. */
  static async connect(port: number, receivers: number): Promise<Lockstep> {
    const self = new Lockstep(port)
    // Nobody is told when they have been let in. Whose line the others get is in the room.
    for (let i = 0; i <= receivers; i++) await self.#join()
    return self
  }

  async #join(): Promise<void> {
    const client = new Client(this.#port, this.#onProgress)
    await once(client.socket, "connect")
    if (this.#clients.length > 0) await this.#send(client, this.#clients, "hello", 1)
    this.#clients.push(client)
  }

  /** Sends `lines` lines of `bytes` bytes at once, `rounds` times over. */
  async run(rounds: number, lines: number, bytes: number): Promise<void> {
    const [sender, ...receivers] = this.#clients
    for (let i = 0; i < rounds; i++) await this.#send(sender!, receivers, "x".repeat(bytes - 1), lines)
  }

  /** Sends the same line some times, and waits for what `recipients` get. */
  async #send(sender: Client, recipients: ReadonlyArray<Client>, content: string, lines: number): Promise<void> {
    const bytes = sender.envelopeBytes(content) * lines
    for (const client of recipients) client.expected += bytes
    this.#behind = 0
    const done = new Promise<void>((resolve) => (this.#done = resolve))
    sender.socket.write(`${content}\n`.repeat(lines))
    await done
    for (const { expected, received } of recipients) {
      if (received !== expected) throw new Error(`a client got ${received} bytes instead of ${expected}`)
    }
  }

  readonly #onProgress = () => {
    for (let i = this.#behind; i < this.#clients.length; i++) {
      const { expected, received } = this.#clients[i]!
      if (received < expected) return void (this.#behind = i)
    }
    this.#behind = this.#clients.length
    this.#done()
  }

  close(): void {
    for (const { socket } of this.#clients) socket.destroy()
  }
}
