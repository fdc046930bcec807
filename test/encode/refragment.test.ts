/** The recorded way of a fragmented datagram: put together, rewritten as one packet, cut again. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readU32 } from '../../lib/bytes/octets.ts'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { type FragmentOptions, fragment } from '../../lib/encode/fragment.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { natDelta, rewriteInbound } from '../../lib/encode/nat.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { Packet } from '../../lib/wire/packet.ts'
import { Reassembly } from '../../lib/wire/reassembly.ts'
import { type ConnectionSpec, newConnection } from '../support/connections.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { fromHex, ip4, ip6, readPacket, toHex, udp4, udp6 } from '../support/packets.ts'

interface Recording {
  readonly cases: readonly {
    readonly name: string
    readonly steps: readonly { readonly hex: string; readonly out: readonly { readonly hex: string }[] }[]
  }[]
}
const { cases } = JSON.parse(
  readFileSync(new URL('../vectors/packets-golden.json', import.meta.url), 'utf8'),
) as Recording

const CONNECTIONS: Record<string, ConnectionSpec> = {
  'fragmented udp, nat v4': {
    transport: 'udp',
    client: '10.9.0.1:3083',
    virtual: '10.0.0.1:53',
    destination: '192.168.1.1:5300',
  },
  'fragmented udp, nat v6': {
    transport: 'udp',
    client: '[fd09::1]:3084',
    virtual: '[fd00::1]:53',
    destination: '[fd01::1]:5300',
  },
}

function fragmentsOf(whole: Uint8Array, options: Omit<FragmentOptions, 'out'>): Uint8Array[] {
  const found: Uint8Array[] = []
  const out = new Uint8Array(options.mtuBytes).fill(0xa5)
  const emit = (bytes: Uint8Array, length: number) => {
    found.push(bytes.slice(0, length))
    bytes.fill(0xa5)
  }
  expect(fragment(whole, 0, whole.length, { ...options, out }, emit)).toBe(found.length > 0)
  return found
}

/** What a receiver makes of them. */
function reassembled(fragments: readonly Uint8Array[]): Uint8Array | null {
  const reassembly = new Reassembly({ headroomBytes: 0 })
  for (const each of fragments) {
    const whole = reassembly.add(readPacket(each), 0)
    if (whole !== null) return whole.bytes.slice(whole.start, whole.end)
  }
  return null
}

describe('a fragmented datagram leaves as the kernel recorded it', () => {
  for (const [name, spec] of Object.entries(CONNECTIONS)) {
    it(name, () => {
      const { steps } = cases.find((each) => each.name === name)!
      const reassembly = new Reassembly({ headroomBytes: 40 })
      const table = new ConnectionTable({ limit: 1, seed: 0, nowMs: 0 })
      const base = table.create(newConnection(spec), 0) * RECORD_WORDS
      table.words[base + WORD.natDelta] = natDelta(table.words, base)
      const sent: string[] = []
      for (const { hex, out } of steps) {
        const whole = reassembly.add(readPacket(fromHex(hex)), 0)
        if (whole === null) {
          expect(out).toEqual([])
          continue
        }
        const packet = new Packet()
        expect(packet.read(whole.bytes, whole.start, whole.end)).toBeNull()
        decrementHopLimit(packet)
        rewriteInbound(packet, table.words, base, OFFLOAD.finished)
        const options = {
          mtuBytes: whole.largestFragmentBytes,
          // No two recordings share the identification of a new IPv6 fragment.
          identification: packet.family === 6 ? readU32(fromHex(out[0]!.hex), 44) : 0,
          out: new Uint8Array(1500),
          as: whole,
        }
        fragment(packet.bytes, packet.start, packet.end, options, (bytes, length) => {
          sent.push(toHex(bytes.slice(0, length)))
        })
        expect(sent).toEqual(out.map((each) => each.hex))
      }
      expect(sent).toHaveLength(2)
    })
  }
})

describe('fragment, IPv4 options', () => {
  const ends = { source: '10.9.0.1:3000', destination: '10.0.0.1:53' }
  const COPIED = [0x83, 7, 4, 10, 0, 0, 9] // loose source route
  const NOT_COPIED = [7, 7, 4, 0, 0, 0, 0] // record route

  const optionsOfFragments = (options: number[]): number[][] => {
    const whole = udp4({ ...ends, options: Uint8Array.from(options), payload: new Uint8Array(200).fill(7) })
    const fragments = fragmentsOf(whole, { mtuBytes: 100, identification: 0 })
    for (const each of fragments) {
      expectPacket(each).ipv4({ source: '10.9.0.1', identification: 0x1234 }).headerChecksumIsValid()
      expect(each.length).toBeLessThanOrEqual(100)
    }
    expect(reassembled(fragments)).toEqual(whole)
    return fragments.map((each) => [...each.subarray(20, readPacket(each).transportStart)])
  }

  it('are all in the first fragment, and in the others only where their copied flag is set', () => {
    const all = [...NOT_COPIED, 1, ...COPIED, 0]
    const copied = [...COPIED, 0]
    expect(optionsOfFragments(all)).toEqual([all, copied, copied])
  })

  it('leave room for more data where none is copied', () => {
    const all = [...NOT_COPIED, 0]
    expect(optionsOfFragments(all)).toEqual([all, [], []])
  })

  it.each([
    ['an option of no length', [0x83, 0, 1, 1]],
    ['an option of one octet', [0x83, 1, 1, 1]],
    ['an option that runs over the header', [0x83, 5, 4, 0]],
    ['an option without its length', [1, 1, 1, 0x83]],
    ['what stands behind the end', [0, 0x83, 3, 4]],
  ])('are not believed: %s', (_, options) => {
    expect(optionsOfFragments(options)).toEqual([options, [], []])
  })

  it('may leave no room for data, and then nothing is sent', () => {
    const whole = udp4({ ...ends, options: new Uint8Array(40).fill(1), payload: new Uint8Array(100) })
    expect(fragmentsOf(whole, { mtuBytes: 67, identification: 0 })).toEqual([])
    expect(fragmentsOf(whole, { mtuBytes: 68, identification: 0 })).not.toEqual([])
  })
})

describe('fragment, IPv6 extension headers', () => {
  const ends = { source: 'fd09::1', destination: 'fd00::1' }
  const hopByHop = { protocol: 0, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) }
  const options = { protocol: 60, bytes: Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0) }
  const routing = { protocol: 43, bytes: Uint8Array.of(0, 0, 4, 0, 0, 0, 0, 0) }
  const tooLong = { protocol: 0, bytes: new Uint8Array(1240).fill(154, 1, 2) }
  const payload = Uint8Array.from({ length: 2000 }, (_, at) => at & 0xff)

  it.each([
    ['none', [], 40],
    ['hop-by-hop options', [hopByHop], 48],
    ['a routing header and what stands before it', [hopByHop, options, routing], 64],
    ['the routing header, not what follows it', [routing, options], 48],
    ['no destination options without a routing header', [options], 40],
    ['hop-by-hop options, no destination options', [hopByHop, options], 48],
  ])('are repeated: %s', (_, extensions, repeatedBytes) => {
    const whole = ip6({ ...ends, extensions, protocol: 200, payload })
    const fragments = fragmentsOf(whole, { mtuBytes: 1280, identification: 0xdead_beef })
    expect(fragments.length).toBeGreaterThan(1)
    for (const each of fragments) {
      const packet = readPacket(each)
      expect(packet.fragmentHeaderStart).toBe(repeatedBytes)
      expect(packet.identification >>> 0).toBe(0xdead_beef)
      expect(each.length).toBeLessThanOrEqual(1280)
    }
    expect(reassembled(fragments)).toEqual(whole)
  })

  it('may leave no room for data, and then nothing is sent', () => {
    const whole = ip6({ ...ends, extensions: [tooLong], protocol: 200, payload })
    expect(fragmentsOf(whole, { mtuBytes: 1280, identification: 1 })).toEqual([])
  })
})

describe('fragment, as the packet came', () => {
  const whole = udp6({
    source: '[fd09::1]:1',
    destination: '[fd00::1]:2',
    payload: new Uint8Array(92).fill(3),
  })
  const dataOf = (fragments: readonly Uint8Array[]) => fragments.map((each) => each.length - 48)

  it('cuts an IPv6 packet as it was cut', () => {
    const as = { repeatedBytes: 40, dataBytes: [16, 64, 8, 12] }
    const fragments = fragmentsOf(whole, { mtuBytes: 112, identification: 1, as })
    expect(dataOf(fragments)).toEqual([16, 64, 8, 12])
    expect(reassembled(fragments)).toEqual(whole)
  })

  it('cuts it anew where a part does not fit, or its length has changed', () => {
    const narrow = { mtuBytes: 111, identification: 1, as: { repeatedBytes: 40, dataBytes: [16, 64, 20] } }
    expect(dataOf(fragmentsOf(whole, narrow))).toEqual([56, 44])
    const changed = { mtuBytes: 112, identification: 1, as: { repeatedBytes: 40, dataBytes: [16, 64, 21] } }
    expect(dataOf(fragmentsOf(whole, changed))).toEqual([64, 36])
  })

  it('cuts an IPv4 packet by its longest fragment', () => {
    const packet = ip4({
      source: '10.9.0.1',
      destination: '10.0.0.1',
      protocol: 200,
      payload: new Uint8Array(72),
    })
    const as = { repeatedBytes: 20, dataBytes: [32, 40] }
    expect(fragmentsOf(packet, { mtuBytes: 60, identification: 0, as }).map((each) => each.length)).toEqual([
      60, 52,
    ])
  })

  it('gives a packet that fits as it is', () => {
    expect(fragmentsOf(whole, { mtuBytes: 1280, identification: 1 })).toEqual([whole])
  })
})
