import { describe, expect, it } from 'vitest'
import { ETHER_TYPE, PcapReader, parsePcap, stations } from '../support/lab/pcap.ts'

/** `tcpdump -w` of one ARP request on a veth, then cut to a whole frame: little-endian, microseconds, Ethernet. */
const CAPTURED = bytes(`
  d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000
  0ce62265 40e20100 2a000000 2a000000
  ffffffffffff 02004d000001 0806
  0001 0800 06 04 0001 02004d000001 0a4d000a 000000000000 0a4d0001
`)

/** The smallest IPv4 packet: a header that says 20 bytes. */
const PACKET = '4500 0014 0000 0000 40 11 0000 0a000001 0a000002'

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'))
}

describe('parsePcap', () => {
  it('takes a frame apart into link header, protocol and packet', () => {
    const [frame] = parsePcap(CAPTURED)
    expect(frame).toMatchObject({
      timestampUs: 1_696_785_932 * 1e6 + 123_456,
      etherType: ETHER_TYPE.arp,
      wireBytes: 42,
    })
    expect(frame!.packet).toEqual(CAPTURED.slice(24 + 16 + 14))
    expect(stations(frame!)).toEqual({ destination: 'ff:ff:ff:ff:ff:ff', source: '02:00:4d:00:00:01' })
  })

  it('reads big-endian captures with nanoseconds', () => {
    const capture = bytes(`
      a1b23c4d 0002 0004 00000000 00000000 00040000 00000065
      00000001 075bcd15 00000014 00000014 ${PACKET}`)
    expect(parsePcap(capture)).toEqual([
      {
        timestampUs: 1_123_456,
        link: new Uint8Array(),
        etherType: ETHER_TYPE.ipv4,
        packet: bytes(PACKET),
        wireBytes: 20,
      },
    ])
  })

  it('leaves Ethernet padding out of the packet', () => {
    const padded = bytes(`
      a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001
      00000001 00000000 0000003c 0000003c ${'00'.repeat(12)} 0800 ${PACKET} ${'00'.repeat(26)}`)
    expect(parsePcap(padded)[0]!.packet).toEqual(bytes(PACKET))
  })

  it('refuses what is no capture, a link type it does not know, and a cut record', () => {
    expect(() => parsePcap(bytes('00'.repeat(24)))).toThrow('it begins with 0x00000000')
    const cooked = bytes('a1b2c3d4 0002 0004 00000000 00000000 00040000 00000071')
    expect(() => parsePcap(cooked)).toThrow('link type 113')
    expect(() => parsePcap(CAPTURED.slice(0, -1))).toThrow('cut record')
  })

  it('refuses a record longer than any capture has', () => {
    const capture = CAPTURED.slice()
    capture.set([0xff, 0xff, 0xff, 0x7f], 24 + 8)
    expect(() => parsePcap(capture)).toThrow('record of 2147483647 bytes')
  })
})

describe('PcapReader', () => {
  it('gives the same frames however the capture is cut into chunks', () => {
    const twice = Uint8Array.from([...CAPTURED, ...CAPTURED.slice(24)])
    for (let chunkBytes = 1; chunkBytes <= twice.length; chunkBytes++) {
      const reader = new PcapReader()
      const frames = []
      for (let at = 0; at < twice.length; at += chunkBytes) {
        frames.push(...reader.push(twice.subarray(at, at + chunkBytes)))
      }
      expect(frames).toEqual(parsePcap(twice))
      expect(reader.pendingBytes).toBe(0)
    }
  })
})
