import { describe, expect, it } from 'vitest'
import {
  bindRequest,
  copyRequest,
  emptyPacketMessage,
  flagRequest,
  lengthRequest,
  NF_ACCEPT,
  NF_DROP,
  NF_REPEAT,
  NFQA_CFG_F_GSO,
  readPacketMessage,
  VERDICT_HEADROOM_BYTES,
  verdictId,
  writeBatchVerdict,
  writeReplacement,
  writeVerdict,
} from '../../../forwarder/netlink/nfqueue.ts'
import { hexOf, octets } from '../../support/hex.ts'

const QUEUE = 300
const UNMARKED = { setsMark: false, mark: 0 }
const MARKED = { setsMark: true, mark: 0x80000001 | 0 }

/** An IPv4/UDP packet, 10.93.0.2:5000 to 10.93.0.1:4000, "hello". */
const PACKET = '45000021748840004011b1870a5d00020a5d0001 13880fa0000d841d 68656c6c6f'

// Captured on Linux 6.18 from a queue with GSO on, numbered 300, in the hook mangle PREROUTING of a veth device.
const FROM_KERNEL = {
  marked: `6d000000 0003 0000 00000000 00000000  00 00 012c
    0b00 0100 00000001 0800 00 00       packet 1, EtherType 0800, hook 0
    0800 0500 00000002                  came in by device 2
    0800 0300 fedcba98                  mark
    1000 0900 0006 0000 020000000002 0000
    0800 0e00 00000001                  checksum not ready
    2500 0a00 45000021f4e440004011312b0a5d00020a5d0001 13880fa0000d14db 68656c6c6f`,
  truncated: `6c000000 0003 0000 00000000 00000000  00 00 012c
    0b00 0100 00000002 0800 00 00
    0800 0500 00000002
    1000 0900 0006 0000 020000000002 0000
    0800 0d00 00000026                  38 octets, of which the copy range of 32 let pass
    0800 0e00 00000001
    2400 0a00 4500002686ec400040119f1e0a5d00020a5d0001 13880fa1001214e0 68656c6c`,
}

/** The octets of a dump with notes: what follows three spaces or more within a line is a note. */
const fromDump = (dump: string): Uint8Array =>
  octets(
    dump
      .split('\n')
      .map((line) => line.trimStart().split(/ {3,}/)[0])
      .join(''),
  )

function read(bytes: Uint8Array, end = bytes.length) {
  const packet = emptyPacketMessage(bytes)
  return { isWhole: readPacketMessage(packet, 0, end), packet }
}

describe('readPacketMessage', () => {
  it('reads a message of the kernel in place', () => {
    const bytes = fromDump(FROM_KERNEL.marked)
    const { isWhole, packet } = read(bytes)
    expect(isWhole).toBe(true)
    expect(packet).toMatchObject({
      id: 1,
      hook: 0,
      inDevice: 2,
      mark: 0xfedcba98 | 0,
      checksumUnfinished: true,
      isSuper: false,
      isTruncated: false,
    })
    expect(packet.bytes).toBe(bytes)
    expect(hexOf(bytes.subarray(packet.start, packet.end))).toMatch(/^45000021.*68656c6c6f$/)
    expect(packet.end - packet.start).toBe(0x21)
  })

  it('tells that the copy range cut the packet short', () => {
    const { packet } = read(fromDump(FROM_KERNEL.truncated))
    expect(packet).toMatchObject({ id: 2, isTruncated: true, mark: 0 })
    expect(packet.end - packet.start).toBe(32)
  })

  it('forgets what the message before said', () => {
    const bytes = fromDump(FROM_KERNEL.marked)
    const packet = emptyPacketMessage(bytes)
    Object.assign(packet, { mark: 7, inDevice: 9, isSuper: true, isTruncated: true })
    readPacketMessage(packet, 0, bytes.length)
    expect(packet).toMatchObject({ inDevice: 2, isSuper: false, isTruncated: false })
    const bare = fromDump(FROM_KERNEL.truncated)
    Object.assign(packet, { bytes: bare })
    readPacketMessage(packet, 0, bare.length)
    expect(packet.mark).toBe(0)
  })

  it('says of every truncated prefix that it is malformed, and whether it can be answered', () => {
    const bytes = fromDump(FROM_KERNEL.marked)
    const headerEnd = 20 + 11
    for (let end = 20; end < bytes.length; end++) {
      const { isWhole, packet } = read(bytes, end)
      expect(isWhole).toBe(false)
      expect(packet.hasId).toBe(end >= headerEnd)
    }
  })

  it('finds no packet in a message without one', () => {
    const { isWhole, packet } = read(
      octets('20000000 0003 0000 00000000 00000000 00 00 012c 0b00 0100 00000001 0800 00 00'),
    )
    expect({ isWhole, hasId: packet.hasId }).toEqual({ isWhole: false, hasId: true })
  })
})

// What libnetfilter_queue 1.0.5 sent for the same verdicts, captured on its way to the kernel.
describe('verdicts are those that libnetfilter_queue writes', () => {
  const write = (verdict: number, id: number, marking = UNMARKED) => {
    const bytes = new Uint8Array(64).fill(0xa5)
    const length = writeVerdict(bytes, 8, { queue: QUEUE, verdict }, id, marking)
    return hexOf(bytes.subarray(8, 8 + length))
  }

  it('accept', () => {
    expect(write(NF_ACCEPT, 1)).toBe('200000000103010000000000000000000000012c0c0002000000000100000001')
  })

  it('drop', () => {
    expect(write(NF_DROP, 2)).toBe('200000000103010000000000000000000000012c0c0002000000000000000002')
  })

  it('accept with a mark', () => {
    expect(write(NF_ACCEPT, 3, MARKED)).toBe(
      '280000000103010000000000000000000000012c0c00020000000001000000030800030080000001',
    )
  })

  const replace = (marking: typeof UNMARKED, id: number) => {
    const bytes = new Uint8Array(128).fill(0xa5)
    const packet = octets(PACKET)
    bytes.set(packet, VERDICT_HEADROOM_BYTES)
    const end = VERDICT_HEADROOM_BYTES + packet.length
    const start = writeReplacement(bytes, VERDICT_HEADROOM_BYTES, end, QUEUE, id, marking)
    return { start, hex: hexOf(bytes.subarray(start, end)), before: bytes.subarray(0, start) }
  }

  it('accept with another packet', () => {
    const { hex } = replace(UNMARKED, 4)
    expect(hex).toBe(
      `450000000103010000000000000000000000012c0c000200000000010000000425000a00${hexOf(octets(PACKET))}`,
    )
  })

  it('accept with another packet and a mark, within the headroom', () => {
    const { hex, start } = replace(MARKED, 5)
    expect(hex).toBe(
      `4d0000000103010000000000000000000000012c0c0002000000000100000005080003008000000125000a00${hexOf(octets(PACKET))}`,
    )
    expect(start).toBe(0)
  })

  it('leaves what is before the message alone', () => {
    const { before } = replace(UNMARKED, 4)
    expect(hexOf(before)).toBe('a5'.repeat(8))
  })
})

describe('writeBatchVerdict', () => {
  it('differs from a verdict in its type only', () => {
    const bytes = new Uint8Array(32)
    expect(writeBatchVerdict(bytes, 0, { queue: QUEUE, verdict: NF_REPEAT }, 99)).toBe(32)
    expect(hexOf(bytes)).toBe('200000000303010000000000000000000000012c0c0002000000000400000063')
  })
})

describe('verdictId', () => {
  it('is the packet number, all 32 bits of it', () => {
    const bytes = new Uint8Array(32)
    writeVerdict(bytes, 0, { queue: QUEUE, verdict: NF_DROP }, 0xfffffffe | 0, UNMARKED)
    expect(verdictId(bytes, 0)).toBe(-2)
  })
})

// libnetfilter_queue's, but for the flags (it asks for no acknowledgement of these) and the sequence numbers.
describe('configuration', () => {
  it.each([
    ['binds', bindRequest(QUEUE), '1c0000000203050001000000000000000000012c0800010001000000'],
    [
      'sets the copy range',
      copyRequest(QUEUE, 0xffff),
      '200000000203050001000000000000000000012c090002000000ffff02000000',
    ],
    [
      'sets the length',
      lengthRequest(QUEUE, 4096),
      '1c0000000203050001000000000000000000012c0800030000001000',
    ],
    [
      'sets one flag',
      flagRequest(QUEUE, NFQA_CFG_F_GSO),
      '240000000203050001000000000000000000012c08000500000000040800040000000004',
    ],
  ])('%s', (_title, request, hex) => {
    expect(hexOf(request.finish(1))).toBe(hex)
  })
})
