import { describe, expect, it } from 'vitest'
import {
  describeTcp,
  describeTcpFlags,
  emitTcp,
  parseTcp,
  TCP_FLAG,
  type TcpHeader,
  TcpView,
  tcpAt,
  tcpFlaw,
} from '../../lib/wire/tcp.ts'
import { transportChecksumIsValid } from '../../lib/wire/transport-checksum.ts'
import { emitted, prefixes, withOctet } from '../support/buffers.ts'
import { fromHex, readPacket } from '../support/packets.ts'
import { KERNEL } from '../vectors/wire-packets.ts'

const segment = () => fromHex(KERNEL.tcp4).slice(20)
const viewOf = (bytes: Uint8Array): TcpView => {
  const view = tcpAt(bytes)
  if (view.kind === 'malformed') throw new Error(view.reason)
  return view
}
const reasonOf = (bytes: Uint8Array, end = bytes.length) => tcpFlaw(bytes, 0, end)?.reason

describe('tcpAt', () => {
  it('reads every field of a segment the kernel sent', () => {
    expect(viewOf(segment())).toMatchObject({
      sourcePort: 3001,
      destinationPort: 80,
      sequence: 101,
      acknowledgment: 501,
      headerBytes: 20,
      reserved: 0,
      flags: TCP_FLAG.psh | TCP_FLAG.ack,
      window: 8192,
      checksum: 0x8ead,
      urgentPointer: 0,
    })
  })

  it('refuses every prefix shorter than the header, and none that holds it', () => {
    for (const prefix of prefixes(segment())) {
      expect(reasonOf(prefix), `${prefix.length}`).toBe(prefix.length < 20 ? 'tcp-truncated' : undefined)
    }
  })

  it('refuses a data offset below 20 octets, and one that runs past the packet', () => {
    expect(reasonOf(withOctet(segment(), 12, 0x40))).toBe('tcp-data-offset')
    expect(reasonOf(withOctet(segment(), 12, 0xa0))).toBe('tcp-options-truncated')
    expect(reasonOf(withOctet(segment(), 12, 0x90))).toBeUndefined()
    expect(reasonOf(withOctet(segment(), 12, 0x90), 35)).toBe('tcp-options-truncated')
  })
})

describe('TcpView', () => {
  it('writes fields without touching the checksum', () => {
    const view = viewOf(segment())
    view.sourcePort = 0xffff
    view.destinationPort = 1
    view.sequence = 0xffff_fffe
    view.acknowledgment = 0x8000_0000
    view.flags = 0xff
    view.window = 3
    expect(view.bytes.subarray(0, 20)).toEqual(fromHex('ffff 0001 fffffffe 80000000 50ff 0003 8ead 0000'))
    expect(view).toMatchObject({ sequence: 0xffff_fffe, acknowledgment: 0x8000_0000 })
  })

  it('keeps the checksum valid when a port changes', () => {
    const bytes = fromHex(KERNEL.tcp4)
    const view = new TcpView(bytes, 20)
    view.setDestinationPortWithChecksum(8080)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
    view.setSourcePortWithChecksum(65_535)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(true)
    expect(view).toMatchObject({ sourcePort: 65_535, destinationPort: 8080 })
  })

  it('keeps a wrong checksum wrong', () => {
    const bytes = fromHex(KERNEL.tcp4)
    const view = new TcpView(bytes, 20)
    view.checksum ^= 1
    view.setDestinationPortWithChecksum(8080)
    expect(transportChecksumIsValid(readPacket(bytes))).toBe(false)
  })
})

describe('emitTcp', () => {
  it('writes back, octet for octet, the header it parsed, but for the checksum', () => {
    const header = parseTcp(viewOf(segment()))
    const wanted = segment().slice(0, 20)
    wanted.fill(0, 16, 18)
    expect(emitted(20, (to, at) => emitTcp(to, at, header))).toEqual(wanted)
  })

  it('writes every value at its greatest', () => {
    const header: TcpHeader = {
      sourcePort: 0xffff,
      destinationPort: 0xffff,
      sequence: 0xffff_ffff,
      acknowledgment: 0xffff_ffff,
      flags: 0xff,
      window: 0xffff,
      urgentPointer: 0xffff,
      options: new Uint8Array(40).fill(1),
    }
    const bytes = emitted(60, (to, at) => emitTcp(to, at, header))
    expect(bytes.subarray(0, 20)).toEqual(fromHex('ffff ffff ffffffff ffffffff f0ff ffff 0000 ffff'))
    expect(parseTcp(viewOf(bytes))).toEqual(header)
  })
})

describe('describeTcp', () => {
  it('shows flags, numbers and window, and the acknowledgment only where it counts', () => {
    expect(describeTcp(viewOf(segment()))).toBe('tcp PA seq 101 ack 501 win 8192')
    expect(describeTcp(new TcpView(fromHex(KERNEL.tcp6), 40))).toBe('tcp S seq 1000 win 8192')
  })
})

describe('describeTcpFlags', () => {
  it('has a letter for every bit, and a dash for none', () => {
    expect(describeTcpFlags(0xff)).toBe('FSRPAUEC')
    expect(describeTcpFlags(0)).toBe('-')
    expect(describeTcpFlags(TCP_FLAG.syn | TCP_FLAG.ack)).toBe('SA')
  })
})
