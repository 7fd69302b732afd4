/** A queue in an array that gives its front back once that is half of it, which bounds both the array and the cost of a shift. */
export class Fifo<A> {
  #items: Array<A | undefined>
  #head = 0

  constructor(items: Array<A> = []) {
    this.#items = items
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  get first(): A | undefined {
    return this.#items[this.#head]
  }

  get rest(): ReadonlyArray<A> {
    return this.#items.slice(this.#head) as Array<A>
  }

  push(item: A): void {
    this.#items.push(item)
  }

  /** The first item with a property that all items after it have, too. */
  find(has: (item: A) => boolean): A | undefined {
    return this.#items[lowerBound(this.#items as ReadonlyArray<A>, this.#head, has)]
  }

  shift(): A | undefined {
    const item = this.#items[this.#head]
    if (item === undefined) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}

/** The index of the first item, from `start` on, with a property that all items after it have, too; the length if none has it. */
export const lowerBound = <A>(items: ArrayLike<A>, start: number, has: (item: A) => boolean): number => {
  let low = start
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (has(items[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
