/** The available destinations by address: whom a packet of no connection comes from, or whose tunnel an error is about. */

import type { Destination } from './destination.ts'

export class DestinationIndex {
  readonly #byHash = new Map<number, Destination[]>()

  add(destination: Destination): void {
    const { w0, w1, w2, w3 } = destination.address
    const hash = hashOf(w0, w1, w2, w3)
    const bucket = this.#byHash.get(hash)
    if (bucket === undefined) this.#byHash.set(hash, [destination])
    else bucket.push(destination)
  }

  remove(destination: Destination): void {
    const { w0, w1, w2, w3 } = destination.address
    const hash = hashOf(w0, w1, w2, w3)
    const rest = (this.#byHash.get(hash) ?? []).filter((each) => each !== destination)
    if (rest.length === 0) this.#byHash.delete(hash)
    else this.#byHash.set(hash, rest)
  }

  /** The first of the address, whatever its port and service, that is as wanted; null when none is. */
  find(
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    isWanted: (destination: Destination) => boolean,
  ): Destination | null {
    const bucket = this.#byHash.get(hashOf(w0, w1, w2, w3))
    if (bucket === undefined) return null
    for (const each of bucket) {
      const { address } = each
      const isThere = address.w0 === w0 && address.w1 === w1 && address.w2 === w2 && address.w3 === w3
      if (isThere && isWanted(each)) return each
    }
    return null
  }
}

const hashOf = (w0: number, w1: number, w2: number, w3: number): number => w0 ^ w1 ^ w2 ^ w3
