import { describe, expect, it } from 'vitest'
import { growthOf, type Replacement, replacePayload } from '../../lib/apps/replace.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { concat, octets, readPacket, tcp4, tcp6, withUnfinishedChecksum } from '../support/packets.ts'

const ENDS_4 = {
  source: '192.168.1.1:21',
  destination: '10.9.0.1:3000',
  flags: 'PA',
  payload: '227 (1,2,3)\r\n',
}
const ENDS_6 = { ...ENDS_4, source: '[fd01::1]:21', destination: '[fd09::1]:3000' }
const TIMESTAMPS = Uint8Array.of(8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1)

const replacement = (text: string): Replacement => ({ fromBytes: 5, toBytes: 10, bytes: octets(text) })
const TEXTS = [
  ['as long', '4,5,6'],
  ['longer', '444,555,666'],
  ['shorter', '4'],
  ['gone', ''],
] as const

describe('replacePayload', () => {
  it.each(TEXTS)('puts other text in its place, %s, lengths and checksums right', (_, text) => {
    for (const whole of [
      tcp4({ ...ENDS_4, tcpOptions: TIMESTAMPS }),
      tcp6({ ...ENDS_6, tcpOptions: TIMESTAMPS }),
    ]) {
      const bytes = concat(whole, new Uint8Array(20).fill(0xa5))
      const packet = readPacket(bytes)
      const wanted = replacement(text)
      const room = { offload: OFFLOAD.finished, writableEnd: whole.length + Math.max(0, growthOf(wanted)) }
      expect(replacePayload(packet, wanted, room)).toBe(true)
      expect(packet.end).toBe(whole.length + text.length - 5)
      const behind = Math.max(whole.length, packet.end)
      expect(bytes.subarray(behind).every((octet) => octet === 0xa5)).toBe(true)
      expectPacket(bytes, 0, packet.end)
        .tcp({ payload: `227 (${text})\r\n`, sequence: 100 })
        .checksumsAreValid()
    }
  })

  it('changes nothing where there is no room', () => {
    const bytes = concat(tcp4(ENDS_4), new Uint8Array(20).fill(0xa5))
    const before = bytes.slice()
    const packet = readPacket(bytes)
    const writableEnd = packet.end + 5
    expect(
      replacePayload(packet, replacement('444,555,666'), { offload: OFFLOAD.finished, writableEnd }),
    ).toBe(false)
    expect(bytes).toEqual(before)
    expect(packet.end).toBe(before.length - 20)
  })

  it('changes nothing where the packet would be longer than its length can say', () => {
    for (const whole of [
      tcp4({ ...ENDS_4, payload: new Uint8Array(65_535 - 40) }),
      tcp6({ ...ENDS_6, payload: new Uint8Array(65_535 - 20) }),
    ]) {
      const bytes = concat(whole, new Uint8Array(20))
      const room = { offload: OFFLOAD.finished, writableEnd: bytes.length }
      expect(replacePayload(readPacket(bytes), replacement('123456'), room)).toBe(false)
      expect(bytes.subarray(0, whole.length)).toEqual(whole)
      expect(replacePayload(readPacket(bytes), replacement('12345'), room)).toBe(true)
    }
  })

  it.each(TEXTS)('leaves a checksum to offload that was left to it, %s', (_, text) => {
    for (const build of [tcp4, tcp6]) {
      const ends = build === tcp4 ? ENDS_4 : ENDS_6
      const bytes = concat(withUnfinishedChecksum(build(ends)), new Uint8Array(20))
      const packet = readPacket(bytes)
      replacePayload(packet, replacement(text), { offload: OFFLOAD.unfinished, writableEnd: bytes.length })
      const expected = withUnfinishedChecksum(build({ ...ends, payload: `227 (${text})\r\n` }))
      expect(bytes.slice(0, packet.end)).toEqual(expected)
    }
  })
})
