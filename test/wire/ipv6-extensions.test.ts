import { describe, expect, it } from 'vitest'
import {
  EXTENSIONS_MAX,
  type ExtensionWalk,
  emitFragmentHeader,
  parseFragmentHeader,
  walkExtensions,
} from '../../lib/wire/ipv6-extensions.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { emitted, prefixes } from '../support/buffers.ts'
import { fromHex } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const newWalk = (): ExtensionWalk => ({
  protocol: -1,
  transportStart: -1,
  fragmentOffset: -1,
  moreFragments: true,
  fragmentHeaderStart: -2,
})

/** Walks octets that begin with a header of the kind `first`; the result, or the reason of the flaw. */
function walked(first: number, hex: string, end?: number): ExtensionWalk | string {
  const bytes = fromHex(hex)
  const walk = newWalk()
  return walkExtensions(walk, bytes, first, 0, end ?? bytes.length)?.reason ?? walk
}

const unfragmented = { fragmentOffset: 0, moreFragments: false, fragmentHeaderStart: -1 }
const { hopByHop, routing, fragment, ah, destinationOptions, tcp, udp, esp, noNextHeader } = PROTOCOL

describe('walkExtensions', () => {
  it('stays where it is when there is no extension header', () => {
    expect(walked(tcp, '')).toEqual({ protocol: tcp, transportStart: 0, ...unfragmented })
    expect(walked(noNextHeader, '')).toEqual({ protocol: noNextHeader, transportStart: 0, ...unfragmented })
    expect(walked(esp, 'ffff')).toEqual({ protocol: esp, transportStart: 0, ...unfragmented })
  })

  it('passes each kind of header by its own measure of length', () => {
    expect(walked(hopByHop, '11 00 0104 00000000')).toMatchObject({ protocol: udp, transportStart: 8 })
    expect(walked(routing, `06 02 0000 ${'00'.repeat(20)}`)).toMatchObject({ transportStart: 24 })
    expect(walked(destinationOptions, '3b 00 0104 00000000')).toMatchObject({ protocol: noNextHeader })
    // An authentication header with a 12-octet check value: (4 + 2) * 4 octets. RFC 4302 §2.2
    expect(walked(ah, `06 04 0000 ${'00'.repeat(20)}`)).toMatchObject({ protocol: tcp, transportStart: 24 })
  })

  it('passes every kind in one packet', () => {
    const chain =
      '3c 00 0104 00000000  2b 00 0104 00000000  2c 00 0000 00000000  33 00 0000 0000002a  3c 01 0000 00000000 00000000  06 00 0104 00000000'
    expect(walked(hopByHop, chain)).toEqual({
      protocol: tcp,
      transportStart: 52,
      fragmentOffset: 0,
      moreFragments: false,
      fragmentHeaderStart: 24,
    })
  })

  it('looks behind a first fragment’s header', () => {
    const first = fromHex(KERNEL.udp6FirstFragment)
    const walk = newWalk()
    expect(walkExtensions(walk, first, fragment, 40, first.length)).toBeNull()
    expect(walk).toEqual({
      protocol: udp,
      transportStart: 48,
      fragmentOffset: 0,
      moreFragments: true,
      fragmentHeaderStart: 40,
    })
  })

  it('stops behind a later fragment’s header, whatever that names', () => {
    const later = fromHex(KERNEL.udp6LaterFragment)
    const walk = newWalk()
    expect(walkExtensions(walk, later, fragment, 40, later.length)).toBeNull()
    expect(walk).toMatchObject({
      protocol: udp,
      transportStart: 48,
      fragmentOffset: 32,
      moreFragments: false,
    })
    expect(walked(fragment, '3c 00 0008 00000001')).toMatchObject({
      protocol: destinationOptions,
      transportStart: 8,
    })
  })

  it('takes an offset in octets from the field, and leaves its flag out', () => {
    expect(walked(fragment, '11 00 fff9 00000001')).toMatchObject({
      fragmentOffset: 65_528,
      moreFragments: true,
    })
    expect(walked(fragment, '11 00 0006 00000001')).toMatchObject({ fragmentOffset: 0, moreFragments: false })
  })

  it('refuses a header that runs past the end', () => {
    expect(walked(hopByHop, '11 01 0104 00000000')).toBe('ipv6-extension-truncated')
    expect(walked(ah, '06 04 0000 00000000')).toBe('ipv6-extension-truncated')
    for (const prefix of prefixes(new Uint8Array(8))) {
      const flaw = walkExtensions(newWalk(), prefix, fragment, 0, prefix.length)
      expect(flaw?.reason, `${prefix.length}`).toBe('ipv6-extension-truncated')
    }
  })

  it('believes the given end, not the length of the bytes', () => {
    expect(walked(hopByHop, '11 00 0104 00000000', 7)).toBe('ipv6-extension-truncated')
  })

  it(`looks through ${EXTENSIONS_MAX} headers and no further`, () => {
    const chain = (count: number) => `${'3c 00 0104 00000000'.repeat(count - 1)} 06 00 0104 00000000`
    expect(walked(destinationOptions, chain(EXTENSIONS_MAX))).toMatchObject({
      protocol: tcp,
      transportStart: 64,
    })
    expect(walked(destinationOptions, chain(EXTENSIONS_MAX + 1))).toBe('ipv6-extension-count')
  })

  it('refuses hop-by-hop options anywhere but first', () => {
    expect(walked(destinationOptions, '00 00 0104 00000000 06 00 0104 00000000')).toBe('ipv6-extension-order')
  })

  it('refuses a second fragment header', () => {
    expect(walked(fragment, '2c 00 0000 00000001 06 00 0000 00000001')).toBe('ipv6-fragment-repeated')
  })

  it('refuses a fragment that would end beyond 65535 octets', () => {
    expect(walked(fragment, `11 00 fff8 00000001 ${'00'.repeat(7)}`)).toMatchObject({
      fragmentOffset: 65_528,
    })
    expect(walked(fragment, `11 00 fff8 00000001 ${'00'.repeat(8)}`)).toBe('ipv6-fragment-end')
  })
})

describe('emitFragmentHeader', () => {
  it('writes back, octet for octet, the headers it parsed', () => {
    for (const hex of [KERNEL.udp6FirstFragment, KERNEL.udp6LaterFragment]) {
      const bytes = fromHex(hex)
      const header = parseFragmentHeader(bytes, 40)
      expect(header.identification).toBe(0x55)
      expect(emitted(8, (to, at) => emitFragmentHeader(to, at, header))).toEqual(bytes.slice(40, 48))
    }
  })

  it('writes every value at its greatest, and the reserved bits as zero', () => {
    const header = {
      nextHeader: 255,
      fragmentOffset: 65_528,
      moreFragments: true,
      identification: 0xffff_ffff,
    }
    expect(emitted(8, (to, at) => emitFragmentHeader(to, at, header))).toEqual(fromHex('ff 00 fff9 ffffffff'))
  })
})
