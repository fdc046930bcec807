/** Where services are found: by firewall mark, or by address and port. */

import type { Family } from '../bytes/address.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { Census } from './census.ts'
import type { ServiceKey } from './key.ts'
import type { VirtualService } from './virtual-service.ts'

export class ServiceIndex {
  readonly census = new Census()
  readonly #byHash = new Map<number, VirtualService[]>()
  readonly #byMark4 = new Map<number, VirtualService>()
  readonly #byMark6 = new Map<number, VirtualService>()

  /** The service with exactly this key. */
  get(key: ServiceKey): VirtualService | null {
    if (key.kind === 'fwmark') return this.#byMark(key.family).get(key.fwmark | 0) ?? null
    const { w0, w1, w2, w3, family } = key.address
    return this.#find(family, PROTOCOL[key.transport], w0, w1, w2, w3, key.port)
  }

  /** Every service: those with an address first, then those with a firewall mark. */
  *[Symbol.iterator](): IterableIterator<VirtualService> {
    for (const bucket of this.#byHash.values()) yield* bucket
    yield* this.#byMark4.values()
    yield* this.#byMark6.values()
  }

  /**
   * The service of a packet, in IPVS's order: by firewall mark; by exact address and port; for TCP to an
   * unprivileged port or port 20, a service on the FTP port; last a service on port 0, which takes every port.
   */
  lookup(
    family: Family,
    mark: number,
    protocol: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
  ): VirtualService | null {
    if (mark !== 0) {
      const marked = this.#byMark(family).get(mark)
      if (marked !== undefined) return marked
    }
    const exact = this.#find(family, protocol, w0, w1, w2, w3, port)
    if (exact !== null) return exact
    if (protocol === PROTOCOL.tcp && this.census.ftp > 0 && (port === FTP_DATA_PORT || port >= 1024)) {
      const ftp = this.#find(family, protocol, w0, w1, w2, w3, FTP_PORT)
      if (ftp !== null) return ftp
    }
    return this.census.portZero > 0 ? this.#find(family, protocol, w0, w1, w2, w3, 0) : null
  }

  /** Must not be there yet. */
  add(service: VirtualService): void {
    const { key } = service
    this.census.count(service, 1)
    if (key.kind === 'fwmark') {
      this.#byMark(key.family).set(key.fwmark | 0, service)
      return
    }
    const hash = hashOf(key)
    const bucket = this.#byHash.get(hash)
    if (bucket === undefined) this.#byHash.set(hash, [service])
    else bucket.push(service)
  }

  /** Must be there. */
  delete(service: VirtualService): void {
    const { key } = service
    this.census.count(service, -1)
    if (key.kind === 'fwmark') {
      this.#byMark(key.family).delete(key.fwmark | 0)
      return
    }
    const hash = hashOf(key)
    const bucket = this.#byHash.get(hash) as VirtualService[]
    if (bucket.length === 1) this.#byHash.delete(hash)
    else bucket.splice(bucket.indexOf(service), 1)
  }

  #byMark(family: Family): Map<number, VirtualService> {
    return family === 4 ? this.#byMark4 : this.#byMark6
  }

  #find(
    family: Family,
    protocol: number,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    port: number,
  ): VirtualService | null {
    const bucket = this.#byHash.get(hashService(protocol, w0, w1, w2, w3, port))
    if (bucket === undefined) return null
    for (const service of bucket) {
      const key = service.key
      if (key.kind !== 'address' || key.port !== port || PROTOCOL[key.transport] !== protocol) continue
      const { address } = key
      if (
        address.family === family &&
        address.w0 === w0 &&
        address.w1 === w1 &&
        address.w2 === w2 &&
        address.w3 === w3
      )
        return service
    }
    return null
  }
}

const FTP_PORT = 21
const FTP_DATA_PORT = 20

const hashOf = (key: Extract<ServiceKey, { kind: 'address' }>): number => {
  const { w0, w1, w2, w3 } = key.address
  return hashService(PROTOCOL[key.transport], w0, w1, w2, w3, key.port)
}

const hashService = (
  protocol: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  port: number,
): number => Math.imul(w0 ^ w1 ^ w2 ^ w3 ^ (protocol << 16) ^ port, 0x61c88647)
