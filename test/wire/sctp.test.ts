import { describe, expect, it } from 'vitest'
import {
  describeSctp,
  emitSctp,
  emitSctpChunk,
  NO_SCTP_CHUNK,
  nextSctpChunk,
  parseSctp,
  SCTP_CHUNK,
  SctpView,
  sctpAt,
  sctpChecksum,
  sctpChecksumIsValid,
  sctpChunkType,
  sctpFlaw,
  writeSctpChecksum,
} from '../../lib/wire/sctp.ts'
import { emitted, prefixes, withOctet } from '../support/buffers.ts'
import { concat, fromHex, type SctpChunkSpec, sctp4 } from '../support/packets.ts'
import { SCAPY } from '../vectors/wire-packets.ts'

const init = () => fromHex(SCAPY.sctpInit).slice(20)
const packetOf = (...chunks: SctpChunkSpec[]) =>
  sctp4({ source: '10.9.0.1:5000', destination: '10.0.0.1:5001', verificationTag: 0xfeedbeef, chunks }).slice(
    20,
  )
const shown = (bytes: Uint8Array) => describeSctp(new SctpView(bytes, 0), bytes.length)

describe('sctpAt', () => {
  it('reads every field of a common header', () => {
    expect(sctpAt(packetOf(['data', 'x']))).toMatchObject({
      kind: 'sctp',
      sourcePort: 5000,
      destinationPort: 5001,
      verificationTag: 0xfeedbeef,
      chunksStart: 12,
    })
    expect(sctpAt(init())).toMatchObject({ verificationTag: 0, checksum: 0x402c0b5f })
  })

  it('refuses every truncated prefix of the header, and nothing behind it', () => {
    for (const prefix of prefixes(init())) {
      const reason = prefix.length < 12 ? 'sctp-truncated' : undefined
      expect(sctpFlaw(prefix, 0, prefix.length)?.reason, `${prefix.length}`).toBe(reason)
    }
  })
})

describe('SctpView', () => {
  it('writes fields without touching the checksum', () => {
    const view = new SctpView(init(), 0)
    view.sourcePort = 0xffff
    view.destinationPort = 1
    view.verificationTag = 0xffffffff
    expect(view.bytes.subarray(0, 12)).toEqual(fromHex('ffff 0001 ffffffff 402c0b5f'))
    view.checksum = 0x80000001
    expect(view.checksum).toBe(0x80000001)
  })

  it('moves to another header', () => {
    const view = new SctpView(new Uint8Array(12), 0)
    expect(view.at(packetOf(['data']), 0).destinationPort).toBe(5001)
  })
})

describe('sctpChecksum', () => {
  it('is what Scapy computed, whatever stands in the field', () => {
    for (const standing of [0x00, 0xff, 0x40]) {
      const bytes = init()
      bytes.fill(standing, 8, 12)
      expect(sctpChecksum(bytes, 0, bytes.length) >>> 0).toBe(0x402c0b5f)
      writeSctpChecksum(bytes, 0, bytes.length)
      expect(bytes).toEqual(init())
    }
  })

  it('shows every damaged octet', () => {
    expect(sctpChecksumIsValid(init(), 0, 40)).toBe(true)
    for (let at = 0; at < 40; at++) {
      expect(sctpChecksumIsValid(withOctet(init(), at, init()[at]! ^ 0x10), 0, 40), `octet ${at}`).toBe(false)
    }
  })

  it('covers what lies between start and end, and nothing else', () => {
    const bytes = concat(Uint8Array.of(9, 9, 9), init(), Uint8Array.of(8))
    expect(sctpChecksumIsValid(bytes, 3, 43)).toBe(true)
    expect(sctpChecksumIsValid(bytes, 3, 44)).toBe(false)
  })
})

describe('the walk along the chunks', () => {
  const walk = (bytes: Uint8Array) => {
    const types: number[] = []
    for (let at = 12; ; at = nextSctpChunk(bytes, at, bytes.length)) {
      const type = sctpChunkType(bytes, at, bytes.length)
      if (type === NO_SCTP_CHUNK) return types
      types.push(type)
    }
  }

  it('finds every chunk behind its padding', () => {
    for (const length of [0, 1, 2, 3, 4, 5]) {
      const bytes = packetOf(['cookieEcho', 'x'.repeat(length)], ['data', 'abc'], [200])
      expect(walk(bytes), `a cookie of ${length}`).toEqual([SCTP_CHUNK.cookieEcho, SCTP_CHUNK.data, 200])
    }
  })

  it('finds none where there is not the whole of a chunk’s header', () => {
    for (const prefix of prefixes(packetOf(['init']))) {
      expect(sctpChunkType(prefix, 12, prefix.length), `${prefix.length}`).toBe(NO_SCTP_CHUNK)
    }
  })

  it('ends at a length shorter than a chunk’s header: nothing behind it can be found', () => {
    for (const length of [0, 1, 2, 3]) {
      expect(walk(withOctet(packetOf(['data'], ['abort']), 15, length))).toEqual([SCTP_CHUNK.data])
    }
  })

  it('ends at a length that runs past the packet', () => {
    expect(walk(withOctet(packetOf(['data'], ['abort']), 14, 0xff))).toEqual([SCTP_CHUNK.data])
  })

  it('ends at the last chunk, its padding left out', () => {
    expect(walk(packetOf(['cookieAck'], ['data', 'abcde']).slice(0, -3))).toEqual([
      SCTP_CHUNK.cookieAck,
      SCTP_CHUNK.data,
    ])
  })
})

describe('emitSctp', () => {
  it('writes back, octet for octet, the header it parsed, but for the checksum', () => {
    const header = parseSctp(new SctpView(packetOf(['data']), 0))
    expect(header).toEqual({ sourcePort: 5000, destinationPort: 5001, verificationTag: 0xfeedbeef })
    expect(emitted(12, (to, at) => emitSctp(to, at, header))).toEqual(fromHex('1388 1389 feedbeef 00000000'))
  })
})

describe('emitSctpChunk', () => {
  it('writes a chunk’s header, its length without padding', () => {
    const chunk = { type: SCTP_CHUNK.cookieEcho, flags: 0x81, valueBytes: 5 }
    expect(emitted(4, (to, at) => emitSctpChunk(to, at, chunk))).toEqual(fromHex('0a 81 0009'))
  })
})

describe('describeSctp', () => {
  it('names the chunks in their order, unknown ones by number', () => {
    expect(shown(init())).toBe('sctp INIT')
    expect(shown(packetOf(['cookieEcho', 'abc'], ['data', 'x']))).toBe('sctp COOKIE-ECHO DATA')
    expect(shown(packetOf(['shutdownComplete'], [193]))).toBe('sctp SHUTDOWN-COMPLETE chunk-193')
    expect(shown(packetOf())).toBe('sctp -')
  })

  it('names eight chunks at the most', () => {
    const nine = Array.from({ length: 9 }, () => ['sack'] as const)
    expect(shown(packetOf(...nine.slice(1)))).toBe(`sctp${' SACK'.repeat(8)}`)
    expect(shown(packetOf(...nine))).toBe(`sctp${' SACK'.repeat(8)} …`)
  })
})
