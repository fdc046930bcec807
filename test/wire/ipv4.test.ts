import { describe, expect, it } from 'vitest'
import { IpAddress } from '../../lib/bytes/address.ts'
import {
  describeIpv4,
  emitIpv4,
  type Ipv4Header,
  Ipv4View,
  ipv4At,
  ipv4Flaw,
  ipv4HeaderFlaw,
  parseIpv4,
} from '../../lib/wire/ipv4.ts'
import { emitted, prefixes, withOctet } from '../support/buffers.ts'
import { fromHex, referenceChecksum } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const viewOf = (hex: string): Ipv4View => {
  const view = ipv4At(fromHex(hex))
  if (view.kind === 'malformed') throw new Error(view.reason)
  return view
}
const reasonOf = (bytes: Uint8Array, start = 0, end = bytes.length) => ipv4Flaw(bytes, start, end)?.reason

describe('ipv4At', () => {
  it('reads every field of a packet the kernel sent', () => {
    expect(viewOf(KERNEL.tcp4)).toMatchObject({
      version: 4,
      headerBytes: 20,
      trafficClass: 0x10,
      totalBytes: 58,
      identification: 0x1234,
      reservedFlag: false,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: 64,
      protocol: 6,
      checksum: 0x1470,
      sourceWord: 0x0a09_0001,
      destinationWord: 0x0a00_0001,
      checksumIsValid: true,
    })
    expect(`${viewOf(KERNEL.tcp4).source}`).toBe('10.9.0.1')
    expect(`${viewOf(KERNEL.tcp4).destination}`).toBe('10.0.0.1')
  })

  it('reads fragments: the first, and a later one', () => {
    expect(viewOf(KERNEL.udp4FirstFragment)).toMatchObject({ moreFragments: true, fragmentOffset: 0 })
    expect(viewOf(KERNEL.udp4LaterFragment)).toMatchObject({ moreFragments: false, fragmentOffset: 32 })
  })

  it('reads a header in the middle of other octets', () => {
    const bytes = fromHex(`ffffffffff ${KERNEL.tcp4} ffff`)
    expect(ipv4At(bytes, 5, bytes.length - 2)).toMatchObject({ kind: 'ipv4', totalBytes: 58, ttl: 64 })
  })

  it('allows octets behind the total length', () => {
    expect(reasonOf(fromHex(`${KERNEL.tcp4} 000000`))).toBeUndefined()
  })

  it('refuses every truncated prefix of a packet', () => {
    for (const hex of [KERNEL.tcp4, KERNEL.udp4WithOptions]) {
      for (const prefix of prefixes(fromHex(hex))) expect(reasonOf(prefix), `${prefix.length}`).toBeDefined()
    }
  })

  it('believes the given end, not the length of the bytes', () => {
    const bytes = fromHex(KERNEL.tcp4)
    expect(reasonOf(bytes, 0, 57)).toBe('ipv4-payload-truncated')
    expect(reasonOf(bytes, 0, 19)).toBe('ipv4-truncated')
  })

  it('refuses another version', () => {
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp4), 0, 0x65))).toBe('ipv4-version')
  })

  it('refuses a header length below 20 octets, and one that runs past the packet', () => {
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp4), 0, 0x44))).toBe('ipv4-header-length')
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp4), 0, 0x4f))).toBe('ipv4-options-truncated')
  })

  it('refuses a total length shorter than its header', () => {
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp4), 3, 19))).toBe('ipv4-total-length')
    expect(reasonOf(withOctet(fromHex(KERNEL.udp4WithOptions), 3, 23))).toBe('ipv4-total-length')
    expect(reasonOf(withOctet(fromHex(KERNEL.tcp4), 3, 20))).toBeUndefined()
  })

  it('refuses a fragment that would end beyond 65535 octets', () => {
    const last = fromHex(KERNEL.udp4LaterFragment) // 60 octets: it may begin at 65472 at most
    expect(reasonOf(withOctet(withOctet(last, 6, 0x1f), 7, 0xf8))).toBeUndefined()
    expect(reasonOf(withOctet(withOctet(last, 6, 0x1f), 7, 0xf9))).toBe('ipv4-fragment-end')
  })
})

describe('ipv4HeaderFlaw', () => {
  it('is content with a header whose packet is cut short', () => {
    const bytes = fromHex(KERNEL.tcp4).slice(0, 20)
    expect(ipv4HeaderFlaw(bytes, 0, 20)).toBeNull()
    expect(ipv4HeaderFlaw(bytes, 0, 19)?.reason).toBe('ipv4-truncated')
  })
})

describe('Ipv4View', () => {
  it('moves from header to header', () => {
    const view = viewOf(KERNEL.tcp4)
    expect(view.at(fromHex(`00 ${KERNEL.udp4WithOptions}`), 1)).toBe(view)
    expect(view).toMatchObject({ headerBytes: 24, protocol: 17 })
  })

  it('writes fields without touching the checksum', () => {
    const view = viewOf(KERNEL.tcp4)
    view.trafficClass = 0xb8
    view.totalBytes = 0x102
    view.identification = 0xbeef
    view.ttl = 1
    view.sourceWord = 0xc0a8_0001
    view.destinationWord = -2
    view.checksum = 0x1470
    const written = fromHex('45 b8 0102 beef 4000 01 06 1470 c0a80001 fffffffe')
    expect(view.bytes.subarray(0, 20)).toEqual(written)
  })

  it('does to a header what the kernel did when it masqueraded the packet', () => {
    const view = viewOf(KERNEL.tcp4)
    view.setTtlWithChecksum(63)
    view.setDestinationWordWithChecksum(0xc0a8_0101)
    expect(view.bytes.subarray(0, 20)).toEqual(fromHex(KERNEL.tcp4Masqueraded).subarray(0, 20))
  })

  it('keeps the checksum valid through every setter that promises to', () => {
    const changes: ((view: Ipv4View) => void)[] = [
      (view) => view.setTrafficClassWithChecksum(0xff),
      (view) => view.setTotalBytesWithChecksum(0x102),
      (view) => view.setIdentificationWithChecksum(0),
      (view) => view.setTtlWithChecksum(1),
      (view) => view.setSourceWordWithChecksum(-1),
      (view) => view.setDestinationWordWithChecksum(0),
    ]
    for (const hex of [KERNEL.tcp4, KERNEL.udp4WithOptions]) {
      const view = viewOf(hex)
      for (const change of changes) {
        change(view)
        expect(view.checksumIsValid, `${change}`).toBe(true)
      }
      expect(view).toMatchObject({ trafficClass: 0xff, totalBytes: 0x102, identification: 0, ttl: 1 })
      expect(view).toMatchObject({ sourceWord: -1, destinationWord: 0 })
    }
  })
})

describe('emitIpv4', () => {
  it('writes back, octet for octet, every header it parsed', () => {
    const recorded = [KERNEL.tcp4, KERNEL.udp4WithOptions, KERNEL.udp4FirstFragment, KERNEL.udp4LaterFragment]
    for (const hex of recorded) {
      const { headerBytes, bytes } = viewOf(hex)
      const header = parseIpv4(viewOf(hex))
      expect(emitted(headerBytes, (to, at) => emitIpv4(to, at, header))).toEqual(bytes.slice(0, headerBytes))
    }
  })

  it('writes every value at its greatest', () => {
    const header: Ipv4Header = {
      trafficClass: 0xff,
      identification: 0xffff,
      dontFragment: true,
      moreFragments: true,
      fragmentOffset: 0x1fff * 8,
      ttl: 0xff,
      protocol: 0xff,
      source: new IpAddress(4, -1),
      destination: new IpAddress(4, -1),
      options: new Uint8Array(40).fill(1),
      payloadBytes: 0xffff - 60,
    }
    const bytes = emitted(60, (to, at) => emitIpv4(to, at, header))
    expect(bytes.subarray(0, 10)).toEqual(fromHex('4f ff ffff ffff 7fff ff ff'))
    expect(referenceChecksum(bytes)).toBe(0)
    expect(parseIpv4(new Ipv4View(bytes, 0))).toEqual(header)
  })
})

describe('describeIpv4', () => {
  it('shows addresses, TTL, identification and what is unusual', () => {
    expect(describeIpv4(viewOf(KERNEL.tcp4))).toBe('10.9.0.1 > 10.0.0.1 ttl 64 id 4660 DF')
    expect(describeIpv4(viewOf(KERNEL.udp4FirstFragment))).toBe(
      '10.9.0.1 > 10.0.0.1 ttl 64 id 119 fragment 0+',
    )
    expect(describeIpv4(viewOf(KERNEL.udp4LaterFragment))).toBe(
      '10.9.0.1 > 10.0.0.1 ttl 64 id 119 fragment 32',
    )
  })
})
