/** How a packet is spoiled: mutations as plain data, and what each does to the octets. */

import fc from 'fast-check'
import { readU8, readU16, writeU8, writeU16 } from '../lib/bytes/octets.ts'
import { Ipv4View } from '../lib/wire/ipv4.ts'
import { Packet } from '../lib/wire/packet.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { finishTransportChecksum } from '../lib/wire/transport-checksum.ts'
import { concat, referenceChecksum } from '../test/support/packets.ts'
import { SEEDS } from './seeds.ts'

export type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'octet'; readonly at: number; readonly value: number }
  | { readonly kind: 'field'; readonly pick: number; readonly value: number; readonly isRelative: boolean }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'extend'; readonly octets: Uint8Array }
  | { readonly kind: 'splice'; readonly at: number; readonly seed: number; readonly from: number }
  | { readonly kind: 'repair' }

/** Longer packets than this are not made: a captured super-packet of some segments. */
const MAX_BYTES = 9000

/** Where numbers go wrong. */
const VALUES = [
  0, 1, 2, 4, 5, 7, 8, 15, 16, 20, 28, 40, 63, 64, 127, 128, 254, 255, 256, 576, 1280, 1500, 0x7fff, 0x8000,
  0xfff8, 0xfffe, 0xffff,
]

/** Headers far more often than payload. */
const place = (): fc.Arbitrary<number> =>
  fc.oneof({ weight: 5, arbitrary: fc.nat({ max: 79 }) }, { weight: 1, arbitrary: fc.nat({ max: 4000 }) })

const value = (): fc.Arbitrary<number> => fc.oneof(fc.constantFrom(...VALUES), fc.nat({ max: 0xffff }))

export const mutation = (): fc.Arbitrary<Mutation> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.oneof(
        fc.record({
          kind: fc.constant('field' as const),
          pick: fc.nat(),
          value: value(),
          isRelative: fc.constant(false),
        }),
        fc.record({
          kind: fc.constant('field' as const),
          pick: fc.nat(),
          value: fc.constantFrom(1, -1, 4, -4, 8, -8, 20, -20),
          isRelative: fc.constant(true),
        }),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('flip' as const), at: place(), bit: fc.nat({ max: 7 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('octet' as const), at: place(), value: value() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: place() }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('extend' as const),
        octets: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('splice' as const),
        at: place(),
        seed: fc.nat(),
        from: place(),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ kind: 'repair' as const }) },
  )

/** The packet after the mutations, one after the other; a copy. */
export const mutated = (bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array =>
  mutations.reduce<Uint8Array>((packet, each) => apply(packet, each), bytes.slice())

function apply(bytes: Uint8Array, each: Mutation): Uint8Array {
  switch (each.kind) {
    case 'flip':
      return withOctet(bytes, each.at, (octet) => octet ^ (1 << each.bit))
    case 'octet':
      return withOctet(bytes, each.at, () => each.value & 0xff)
    case 'field':
      return withField(bytes, each)
    case 'cut':
      return bytes.slice(0, each.at % (bytes.length + 1))
    case 'extend':
      return concat(bytes, each.octets).slice(0, MAX_BYTES)
    case 'splice': {
      const other = SEEDS[each.seed % SEEDS.length]!
      return concat(bytes.subarray(0, each.at), other.subarray(each.from)).slice(0, MAX_BYTES)
    }
    case 'repair':
      return repaired(bytes)
  }
}

function withOctet(bytes: Uint8Array, at: number, change: (octet: number) => number): Uint8Array {
  if (bytes.length === 0) return bytes
  const place = at % bytes.length
  bytes[place] = change(bytes[place]!)
  return bytes
}

function withField(
  bytes: Uint8Array,
  { pick, value, isRelative }: Extract<Mutation, { kind: 'field' }>,
): Uint8Array {
  const fields = fieldsOf(bytes, 0)
  const field = fields[pick % fields.length]
  if (field === undefined) return bytes
  const [at, width] = field
  const [read, write] = width === 1 ? [readU8, writeU8] : [readU16, writeU16]
  write(bytes, at, isRelative ? read(bytes, at) + value : value)
  return bytes
}

type Field = readonly [at: number, width: 1 | 2]

/** The fields that decide how a packet is read: versions, lengths, offsets, protocols, types, ports, checksums. */
const NETWORK_FIELDS: Readonly<Record<number, readonly Field[]>> = {
  4: [
    [0, 1],
    [1, 1],
    [2, 2],
    [4, 2],
    [6, 2],
    [8, 1],
    [9, 1],
    [10, 2],
    [18, 2],
    [20, 1],
    [21, 1],
  ],
  6: [
    [0, 1],
    [4, 2],
    [6, 1],
    [7, 1],
    [38, 2],
    [40, 1],
    [41, 1],
    [42, 2],
    [48, 1],
    [49, 1],
  ],
}
const TRANSPORT_FIELDS: Readonly<Record<number, readonly Field[]>> = {
  [PROTOCOL.tcp]: [
    [0, 2],
    [2, 2],
    [4, 2],
    [6, 2],
    [8, 2],
    [12, 1],
    [13, 1],
    [16, 2],
    [20, 1],
    [21, 1],
  ],
  [PROTOCOL.udp]: [
    [0, 2],
    [2, 2],
    [4, 2],
    [6, 2],
  ],
  [PROTOCOL.sctp]: [
    [0, 2],
    [2, 2],
    [8, 2],
    [12, 1],
    [13, 1],
    [14, 2],
  ],
  [PROTOCOL.icmp]: [
    [0, 1],
    [1, 1],
    [2, 2],
    [4, 2],
    [6, 2],
  ],
  [PROTOCOL.icmpv6]: [
    [0, 1],
    [1, 1],
    [2, 2],
    [4, 2],
    [6, 2],
  ],
}
/** Where another packet stands within: behind an ICMP header the quoted one, in a tunnel the inner one. */
const NESTED_AT: Readonly<Record<number, number>> = {
  [PROTOCOL.icmp]: 8,
  [PROTOCOL.icmpv6]: 8,
  [PROTOCOL.ipip]: 0,
  [PROTOCOL.ipv6]: 0,
}

/** Those of the packet at `start` that are there, of the packet within it too. */
function fieldsOf(bytes: Uint8Array, start: number): Field[] {
  if (start >= bytes.length) return []
  const shifted = (fields: readonly Field[], by: number): Field[] =>
    fields.map(([at, width]) => [at + by, width])
  const network = shifted(NETWORK_FIELDS[readU8(bytes, start) >>> 4] ?? [[0, 1]], start)
  const packet = new Packet()
  const isRead = packet.readQuoted(bytes, start, bytes.length) === null && !packet.isLaterFragment
  const transport = isRead ? shifted(TRANSPORT_FIELDS[packet.protocol] ?? [], packet.transportStart) : []
  const nestedAt = isRead ? NESTED_AT[packet.protocol] : undefined
  const nested = nestedAt === undefined ? [] : fieldsOf(bytes, packet.transportStart + nestedAt)
  return [...network, ...transport, ...nested].filter(([at, width]) => at + width <= bytes.length)
}

/** The same packet with every checksum right that it can have, where it can be read at all. */
export function repaired(bytes: Uint8Array): Uint8Array {
  const packet = new Packet()
  if (packet.read(bytes, 0, bytes.length) !== null) return bytes
  if (packet.family === 4) {
    const view = new Ipv4View(bytes, 0)
    view.checksum = 0
    view.checksum = referenceChecksum(bytes.subarray(0, view.headerBytes))
  }
  if (packet.isFragment) return bytes
  if (packet.protocol === PROTOCOL.icmp) {
    writeU16(bytes, packet.transportStart + 2, 0)
    const sum = referenceChecksum(bytes.subarray(packet.transportStart, packet.end))
    writeU16(bytes, packet.transportStart + 2, sum)
  } else finishTransportChecksum(packet)
  return bytes
}
