/** The packets of a case: seeds, aimed at its services so that they belong to connections, and spoiled. */

import fc from 'fast-check'
import { type Family, writeAddress } from '../../lib/bytes/address.ts'
import { readU16, writeU8, writeU16 } from '../../lib/bytes/octets.ts'
import {
  type DestinationKey,
  formatEndpoint,
  parseEndpoint,
  parseServiceKey,
  serviceFamily,
} from '../../lib/service/key.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { hasPorts, PROTOCOL } from '../../lib/wire/protocol.ts'
import {
  checksumOffset,
  finishTransportChecksum,
  pseudoHeaderSum,
} from '../../lib/wire/transport-checksum.ts'
import { icmp4, icmp6, readPacket, sctp4, sctp6, tcp4, tcp6, udp4, udp6 } from '../../test/support/packets.ts'
import { type Mutation, mutated, mutation, repaired } from '../mutation.ts'
import { SEEDS, TCP_FLAG_SETS } from '../seeds.ts'
import { WORLD } from './world.ts'

export interface Arriving {
  readonly bytes: Uint8Array
  readonly hook: 'inbound' | 'outbound'
  readonly mark: number
}

/** Whose connection a packet belongs to: both ends as the client and as the server see them. */
export interface Aim {
  readonly service: string
  /** The server, within its service. */
  readonly at: string
  readonly protocol: number | null
  readonly client: DestinationKey
  readonly virtual: DestinationKey
  readonly server: DestinationKey
  readonly mark: number
}

export interface Recipe {
  readonly seed: number
  /** Which of the case's aims; null leaves the seed's own endpoints. */
  readonly aim: number | null
  readonly isReply: boolean
  readonly tcpFlags: number | null
  readonly mutations: readonly Mutation[]
  readonly isUnfinished: boolean
  readonly quote: Quote | null
  readonly hook: 'as sent' | 'inbound' | 'outbound'
  readonly mark: 'as aimed' | number
}

/** An ICMP error about the packet, as whoever got it would send it. */
interface Quote {
  readonly kind: number
  readonly rest: number
  readonly quotedBytes: number
  /** From the other end, or from somebody on the way. */
  readonly isFromEnd: boolean
}

/** Two clients with some ports each, one of them that of IKE and one of FTP's data, and any server of the world. */
export const aim = (): fc.Arbitrary<Aim> =>
  fc
    .record({
      ends: fc.constantFrom(...WORLD.flatMap(({ key, servers }) => servers.map(({ at }) => endOf(key, at)))),
      client: fc.constantFrom(1, 2),
      clientPort: fc.constantFrom(3000, 3001, 500, 20, 40_000, 500, 3001, 3000),
    })
    .map(({ ends, client, clientPort }) => {
      const host = ends.virtual.address.family === 4 ? `10.9.0.${client}` : `[fd09::${client}]`
      return { ...ends, client: parseEndpoint(`${host}:${clientPort}`)! }
    })

function endOf(service: string, at: string): Omit<Aim, 'client'> {
  const key = parseServiceKey(service)!
  const isMark = key.kind === 'fwmark'
  const anyHost = serviceFamily(key) === 4 ? '10.0.0.9:80' : '[fd00::9]:80'
  const virtual = isMark ? parseEndpoint(anyHost)! : { address: key.address, port: key.port || 8000 }
  const server = parseEndpoint(at)!
  return {
    service,
    at,
    protocol: isMark ? null : PROTOCOL[key.transport],
    virtual,
    server: { address: server.address, port: server.port || virtual.port },
    mark: isMark ? key.fwmark : 0,
  }
}

export const recipe = (): fc.Arbitrary<Recipe> =>
  fc.record({
    seed: fc.nat({ max: SEEDS.length - 1 }),
    aim: fc.oneof({ weight: 8, arbitrary: fc.nat({ max: 2 }) }, { weight: 1, arbitrary: fc.constant(null) }),
    isReply: fc.constantFrom(false, false, true),
    tcpFlags: fc.oneof(fc.constant(null), fc.constantFrom(...TCP_FLAG_SETS)),
    mutations: fc.oneof(fc.constant([]), fc.array(mutation(), { maxLength: 4 })),
    isUnfinished: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
    quote: fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, quote()),
    hook: fc.oneof(
      { weight: 8, arbitrary: fc.constant('as sent' as const) },
      fc.constantFrom('inbound' as const, 'outbound' as const),
    ),
    mark: fc.oneof({ weight: 8, arbitrary: fc.constant('as aimed' as const) }, fc.constantFrom(0, 1, 2, -1)),
  })

const quote = (): fc.Arbitrary<Quote> =>
  fc.record({
    kind: fc.nat({ max: 5 }),
    rest: fc.constantFrom(0, 68, 1280, 1400, 0xffff_ffff),
    quotedBytes: fc.constantFrom(4000, 28, 60, 48, 100, 10),
    isFromEnd: fc.boolean(),
  })

export function arriving(recipe: Recipe, aims: readonly Aim[]): Arriving {
  const target = recipe.aim === null ? null : aims[recipe.aim % aims.length]!
  let bytes =
    target === null
      ? pickedFrom(SEEDS, recipe.seed)
      : aimed(pickedFrom(seedsFor(target), recipe.seed), target, recipe)
  if (recipe.isUnfinished) bytes = unfinished(bytes)
  // An error about a packet goes the other way than the packet.
  if (recipe.quote !== null) bytes = quoting(bytes, recipe.quote)
  const isInbound = recipe.isReply === (recipe.quote !== null)
  return {
    bytes: mutated(bytes, recipe.mutations),
    hook: recipe.hook === 'as sent' ? (isInbound ? 'inbound' : 'outbound') : recipe.hook,
    mark: recipe.mark === 'as aimed' ? (target?.mark ?? 0) : recipe.mark,
  }
}

/** The first packet of the aim's client. */
export const opening = (aim: Aim): Arriving => sound(aim, 'S', ['init'], false)

/** The first packets both ways: what is established by them is, where the scheduler has chosen the aim's server. */
export const handshake = (aim: Aim): readonly Arriving[] => [
  opening(aim),
  sound(aim, 'SA', ['initAck'], true),
  sound(aim, 'A', ['cookieEcho'], false),
  sound(aim, 'A', ['cookieAck'], true),
]

type Chunk = 'init' | 'initAck' | 'cookieEcho' | 'cookieAck'

/** A packet of the aim's transport, TCP where it may be any. */
function sound(
  { protocol, client, virtual, server, mark }: Aim,
  flags: string,
  chunk: readonly [Chunk],
  isReply: boolean,
): Arriving {
  const { family } = client.address
  const answering = server.address.family === family ? server : virtual
  const [from, to] = isReply ? [answering, client] : [client, virtual]
  const ends = { source: formatEndpoint(from), destination: formatEndpoint(to) }
  const isIpv4 = family === 4
  const chunks = [chunk]
  const bytes =
    protocol === PROTOCOL.udp
      ? (isIpv4 ? udp4 : udp6)({ ...ends, payload: SIP })
      : protocol === PROTOCOL.sctp
        ? (isIpv4 ? sctp4 : sctp6)({ ...ends, chunks })
        : (isIpv4 ? tcp4 : tcp6)({ ...ends, flags })
  return { bytes, hook: isReply ? 'outbound' : 'inbound', mark }
}

const SIP = 'INVITE sip:bob@example.org SIP/2.0\r\nCall-ID: a84b4c76e66710@10.9.0.1\r\n\r\n'

const pickedFrom = (seeds: readonly Uint8Array[], pick: number): Uint8Array =>
  seeds[pick % seeds.length]!.slice()

/** Those that can be of the aim's connection: of its family, and of its transport or IPsec's. */
const seedsFor = ({ protocol, virtual }: Aim): readonly Uint8Array[] =>
  SEEDS_BY_KIND.flatMap((each) => {
    const isOfProtocol =
      protocol === null
        ? hasPorts(each.protocol)
        : each.protocol === protocol || each.protocol === PROTOCOL.esp
    return each.family === virtual.address.family && isOfProtocol ? [each.bytes] : []
  })

const SEEDS_BY_KIND = SEEDS.map((bytes) => {
  const { family, protocol } = readPacket(bytes)
  return { bytes, family, protocol }
})

/** The packet between the aim's ends, checksums right: of another family or transport than the aim's, as it was. */
function aimed(
  bytes: Uint8Array,
  { client, virtual, server, protocol }: Aim,
  { isReply, tcpFlags }: Recipe,
): Uint8Array {
  const packet = new Packet()
  if (packet.read(bytes, 0, bytes.length) !== null || packet.family !== virtual.address.family) return bytes
  if (protocol !== null && packet.protocol !== protocol && packet.protocol !== PROTOCOL.esp) return bytes
  const answering = server.address.family === packet.family ? server : virtual
  const [from, to] = isReply ? [answering, client] : [client, virtual]
  const [source, destination] = ADDRESSES_AT[packet.family]
  writeAddress(bytes, source, from.address)
  writeAddress(bytes, destination, to.address)
  if (hasPorts(packet.protocol) && !packet.isLaterFragment) {
    writeU16(bytes, packet.transportStart, from.port)
    writeU16(bytes, packet.transportStart + 2, to.port)
    if (tcpFlags !== null && packet.protocol === PROTOCOL.tcp)
      writeU8(bytes, packet.transportStart + 13, tcpFlags)
  }
  return repaired(bytes)
}

const ADDRESSES_AT: Readonly<Record<Family, readonly [source: number, destination: number]>> = {
  4: [12, 16],
  6: [8, 24],
}

/** As a sender leaves it to offload: the pseudo-header's sum alone. */
function unfinished(bytes: Uint8Array): Uint8Array {
  const packet = new Packet()
  if (packet.read(bytes, 0, bytes.length) !== null || packet.isFragment || !hasPorts(packet.protocol))
    return bytes
  if (packet.protocol === PROTOCOL.sctp) return bytes
  const { transportStart, end, protocol } = packet
  // What the pseudo-header calls the length is UDP's own.
  const transportBytes = protocol === PROTOCOL.udp ? readU16(bytes, transportStart + 4) : end - transportStart
  finishTransportChecksum(packet)
  writeU16(bytes, transportStart + checksumOffset(protocol), pseudoHeaderSum(packet, transportBytes))
  return bytes
}

/** Types and codes of the errors that are related, and of one that is not. */
const ERRORS = {
  4: [
    [3, 1],
    [3, 4],
    [11, 0],
    [4, 0],
    [3, 3],
    [5, 1],
  ],
  6: [
    [1, 0],
    [2, 0],
    [3, 0],
    [4, 0],
    [1, 4],
    [137, 0],
  ],
} as const

function quoting(bytes: Uint8Array, { kind, rest, quotedBytes, isFromEnd }: Quote): Uint8Array {
  const packet = new Packet()
  if (packet.read(bytes, 0, bytes.length) !== null) return bytes
  const { family } = packet
  const [type, code] = ERRORS[family][kind]!
  const router = family === 4 ? '10.7.7.7' : 'fd07::7'
  const source = isFromEnd ? `${packet.destination}` : router
  const options = {
    source,
    destination: `${packet.source}`,
    type,
    code,
    rest,
    body: bytes.slice(0, quotedBytes),
  }
  return family === 4 ? icmp4(options) : icmp6(options)
}
