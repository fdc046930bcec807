/** A connection as values, for listings and tests; not for the packet path. */

import { type Family, IpAddress } from '../bytes/address.ts'
import { KIND, RECORD_WORDS, WORD } from './layout.ts'
import { secondsUntil } from './ticks.ts'

export interface ConnectionView {
  readonly protocol: number
  readonly client: { readonly address: IpAddress; readonly port: number }
  readonly virtual: { readonly address: IpAddress; readonly port: number }
  readonly destination: { readonly address: IpAddress; readonly port: number }
  readonly destinationId: number
  readonly flags: number
  readonly state: number
  readonly fwmark: number
  readonly inPackets: number
  /** Whole seconds left, rounded down. */
  readonly expiresSeconds: number
  /** What a persistence engine knows the template by, or null. */
  readonly engineData: string | null
}

export function viewOf(
  words: Int32Array,
  record: number,
  engineData: string | null,
  nowMs: number,
): ConnectionView {
  const base = record * RECORD_WORDS
  const kind = words[base + WORD.kind]!
  const family: Family = kind & KIND.ipv6 ? 6 : 4
  const address = (at: number, of: Family) =>
    new IpAddress(of, words[base + at]!, words[base + at + 1], words[base + at + 2], words[base + at + 3])
  return {
    protocol: (kind >>> 8) & 0xff,
    client: { address: address(WORD.client, family), port: words[base + WORD.ports]! >>> 16 },
    virtual: { address: address(WORD.virtual, family), port: words[base + WORD.ports]! & 0xffff },
    destination: {
      address: address(WORD.destination, kind & KIND.destinationIpv6 ? 6 : 4),
      port: kind >>> 16,
    },
    destinationId: words[base + WORD.destinationId]!,
    flags: words[base + WORD.flags]!,
    state: words[base + WORD.state]!,
    fwmark: words[base + WORD.fwmark]! >>> 0,
    inPackets: words[base + WORD.inPackets]!,
    expiresSeconds: secondsUntil(words[base + WORD.deadlineTick]!, nowMs),
    engineData,
  }
}
