import type { ClientIdentity } from "../net/ClientIdentity.ts"

/** The groups of each client; `undefined` once it has disconnected. */
const groupsOf = new WeakMap<ClientIdentity, Set<Group> | undefined>()

/**
 * Clients that get some lines together: a team, a room within the room. Lines for the same group are batched as lines for all are. A client
 * that disconnects is no longer in its groups.
 *
 * @example
 *   const red = new Group()
 *   const open: Open = (client) => {
 *     red.add(client)
 *     return Effect.succeed(() => Effect.succeed(relay({ to: red })))
 *   }
 */
export class Group {
  readonly #clients: Set<ClientIdentity>
  #resolved: ReadonlyArray<unknown> = []
  #resolvedBy: ((client: ClientIdentity) => unknown) | undefined

  /** A group without clients. */
  constructor() {
    this.#clients = new Set()
  }

  /**
   * Adds a client. One that is held outside the room gets lines once it is admitted; one that has disconnected is not added.
   *
   * @param client as the filter was given it: a copy is a `TypeError`, because nothing would remove it
   */
  add(client: ClientIdentity): this {
    if (!groupsOf.has(client)) throw new TypeError("a group takes the clients that a message filter is given")
    const groups = groupsOf.get(client)
    if (groups === undefined) return this
    groups.add(this)
    this.#clients.add(client)
    this.changedUnsafe()
    return this
  }

  /** Removes a client. `false`: it was not in the group. */
  delete(client: ClientIdentity): boolean {
    groupsOf.get(client)?.delete(this)
    this.changedUnsafe()
    return this.#clients.delete(client)
  }

  /** Whether a client is in the group. */
  has(client: ClientIdentity): boolean {
    return this.#clients.has(client)
  }

  /** How many clients there are, those included that are held outside the room. */
  get size(): number {
    return this.#clients.size
  }

  /** The clients, in the order in which they were added. */
  [Symbol.iterator](): IterableIterator<ClientIdentity> {
    return this.#clients.values()
  }

  /** What the clients are for the server: the same array until the group changes. */
  resolveUnsafe<A extends {}>(resolve: (client: ClientIdentity) => A | undefined): ReadonlyArray<A> {
    if (this.#resolvedBy !== resolve) {
      this.#resolved = Array.from(this.#clients).flatMap((client) => resolve(client) ?? [])
      this.#resolvedBy = resolve
    }
    return this.#resolved as ReadonlyArray<A>
  }

  /** Its clients are something else for the server now. */
  changedUnsafe(): void {
    this.#resolvedBy = undefined
  }
}

/** A client has connected: from now on it can be in groups. */
export const connected = (client: ClientIdentity): void => void groupsOf.set(client, new Set())

/** A client has been admitted. */
export const admitted = (client: ClientIdentity): void => {
  for (const group of groupsOf.get(client) ?? []) group.changedUnsafe()
}

/** A client has gone. */
export const disconnected = (client: ClientIdentity): void => {
  for (const group of groupsOf.get(client) ?? []) group.delete(client)
  groupsOf.set(client, undefined)
}
