/**
 * A connection table to rehearse a packet with: it finds what the director's own finds, as copies of its own. Only what is
 * asked for is copied; what was asked and done is kept, to be told.
 */

import type { TemplateKey } from '../conn/connection-index.ts'
import { ConnectionTable } from '../conn/connection-table.ts'
import { FILING, FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { NewConnection } from '../conn/new-connection.ts'
import type { Packet } from '../wire/packet.ts'

/** More records than one packet can ask for or make. */
const RECORDS_MAX = 64

/** What a record is filed by here, and nothing that a copy takes over. */
const OWN_WORDS = [...FILING, WORD.destinationId, WORD.controller]

/** A connection or template that was found: the director's own record, and the copy. */
export interface FoundRecord {
  readonly real: number
  readonly copy: number
}

/** What was looked for when a template was. */
export interface TemplateQuery {
  readonly key: TemplateKey
  readonly engineData: string | null
  readonly found: FoundRecord | null
}

/** A connection that was made, and the flags that it was made with. */
export interface MadeRecord {
  readonly record: number
  readonly flags: number
}

export class RehearsedConnections extends ConnectionTable {
  /** The connection that was found first: a helper looks for others later. */
  found: FoundRecord | null = null
  /** The template that was looked for. */
  query: TemplateQuery | null = null
  /** The connections, not templates, that were made, with the flags they were made with. */
  readonly made: MadeRecord[] = []
  /** Copies that are over, and templates that were passed over. */
  readonly over = new Set<number>()
  readonly #real: ConnectionTable
  readonly #idOf: (realId: number) => number
  readonly #copies = new Map<number, number>()
  readonly #whenCopied: ((real: number, copy: number) => void)[] = []
  /** How many of the director's own would have gone to make room. */
  #reclaimed = 0
  #lookedAt = 0
  #ended = 0

  /** `idOf` gives the id of a destination's copy. */
  constructor(real: ConnectionTable, nowMs: number, idOf: (realId: number) => number) {
    super({ limit: RECORDS_MAX, seed: 0, nowMs })
    this.#real = real
    this.#idOf = idOf
  }

  override findInbound(packet: Packet): number {
    const copy = this.#find(this.#real.findInbound(packet))
    return copy === NONE ? super.findInbound(packet) : copy
  }

  override findOutbound(packet: Packet): number {
    const copy = this.#find(this.#real.findOutbound(packet))
    return copy === NONE ? super.findOutbound(packet) : copy
  }

  override findTemplate(key: TemplateKey, engineData: string | null): number {
    const real = this.#real.findTemplate(key, engineData)
    const copy = this.copyOf(real)
    this.query = { key: { ...key }, engineData, found: copy === NONE ? null : { real, copy } }
    return copy
  }

  /** As full as the director's own. */
  override create(from: NewConnection, nowMs: number): number {
    const own = this.size - this.#copies.size
    if (this.#real.size - this.#reclaimed + own >= this.#real.limit) return NONE
    const record = super.create(from, nowMs)
    const { flags } = from
    if (record !== NONE && (flags & FLAG.template) === 0) this.made.push({ record, flags })
    return record
  }

  override discard(record: number): void {
    const index = this.made.findIndex((each) => each.record === record)
    if (index >= 0) this.made.splice(index, 1)
    super.discard(record)
  }

  /** Room is made by the director's own that are due; of the copies none goes. */
  override expire(nowMs: number, budget: number): boolean {
    this.#lookedAt += budget
    this.#reclaimed = this.#real.dueCount(nowMs, this.#lookedAt, this.#ended)
    return true
  }

  override expireNow(record: number, nowMs: number): void {
    this.over.add(record)
    super.expireNow(record, nowMs)
    if (!this.#isHashed(record)) this.#ended++
  }

  override invalidateTemplate(record: number): void {
    this.over.add(record)
    super.invalidateTemplate(record)
  }

  /** For those who keep something beside the table. */
  whenCopied(listener: (real: number, copy: number) => void): void {
    this.#whenCopied.push(listener)
  }

  /** The copy of a record of the director's, with the copies of those that it depends on; of {@link NONE}, itself. */
  copyOf(real: number): number {
    if (real === NONE) return NONE
    const known = this.#copies.get(real)
    if (known !== undefined) return known
    const { client, virtual, destination, ...view } = this.#real.describe(real, 0)
    const copy = super.create(
      {
        family: client.address.family,
        protocol: view.protocol,
        clientW0: client.address.w0,
        clientW1: client.address.w1,
        clientW2: client.address.w2,
        clientW3: client.address.w3,
        clientPort: client.port,
        virtualW0: virtual.address.w0,
        virtualW1: virtual.address.w1,
        virtualW2: virtual.address.w2,
        virtualW3: virtual.address.w3,
        virtualPort: virtual.port,
        destination: destination.address,
        destinationPort: destination.port,
        destinationId: this.#idOf(view.destinationId),
        flags: view.flags,
        fwmark: view.fwmark,
      },
      0,
    )
    this.#copies.set(real, copy)
    if ((view.flags & FLAG.hashed) === 0) this.index.remove(copy)
    this.#takeOver(real * RECORD_WORDS, copy * RECORD_WORDS)
    if (view.engineData !== null) this.setEngineData(copy, view.engineData)
    const controller = this.copyOf(this.#real.words[real * RECORD_WORDS + WORD.controller]!)
    this.words[copy * RECORD_WORDS + WORD.controller] = controller
    for (const listener of this.#whenCopied) listener(real, copy)
    return copy
  }

  /** The copy of the connection that a packet was found to belong to, be it over or not. */
  adopt(real: number): number {
    const copy = this.copyOf(real)
    if (copy !== NONE) this.found ??= { real, copy }
    return copy
  }

  /** As {@link RehearsedConnections.adopt}, where a connection that is over by now is none. */
  #find(real: number): number {
    const copy = this.copyOf(real)
    return copy === NONE || !this.#isHashed(copy) ? NONE : this.adopt(real)
  }

  #isHashed(record: number): boolean {
    return (this.words[record * RECORD_WORDS + WORD.flags]! & FLAG.hashed) !== 0
  }

  /** All words, but for those by which a table files its records. */
  #takeOver(realBase: number, base: number): void {
    const { words } = this
    const own = OWN_WORDS.map((word) => words[base + word]!)
    words.set(this.#real.words.subarray(realBase, realBase + RECORD_WORDS), base)
    for (const [index, word] of OWN_WORDS.entries()) words[base + word] = own[index]!
  }
}
