import { describe, expect, it } from 'vitest'
import { readU16 } from '../../lib/bytes/octets.ts'
import { clampMss } from '../../lib/encode/mss.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { readPacket, tcp4, tcp6, udp4, withUnfinishedChecksum } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const mss = (size: number) => [2, 4, size >>> 8, size & 0xff]
const syn = (tcpOptions: readonly number[], flags = 'S') =>
  tcp4({
    source: '10.9.0.1:3000',
    destination: '10.0.0.1:80',
    flags,
    tcpOptions: Uint8Array.from(tcpOptions),
  })

describe('clampMss', () => {
  it.each([
    ['at an even place', [...mss(1460)], 22],
    ['at an odd place', [1, ...mss(1460), 1, 1, 1], 23],
    ['behind other options', [3, 3, 7, 1, ...mss(1460)], 26],
  ] as const)('lowers what a SYN announces %s, the checksum following', (_name, options, at) => {
    const packet = syn(options)
    expect(clampMss(readPacket(packet), 1480, OFFLOAD.finished)).toBe(true)
    expect(readU16(packet, 20 + at)).toBe(1440)
    expectPacket(packet).checksumsAreValid()
  })

  it('reckons with the longer header of IPv6', () => {
    const packet = tcp6({
      source: '[fd09::1]:3000',
      destination: '[fd00::1]:80',
      flags: 'SA',
      tcpOptions: Uint8Array.from(mss(1440)),
    })
    expect(clampMss(readPacket(packet), 1460, OFFLOAD.finished)).toBe(true)
    expect(readU16(packet, 40 + 22)).toBe(1400)
    expectPacket(packet).checksumsAreValid()
  })

  it('leaves an unfinished checksum to be finished', () => {
    const packet = withUnfinishedChecksum(syn(mss(1460)))
    const checksum = readU16(packet, 36)
    expect(clampMss(readPacket(packet), 1480, OFFLOAD.unfinished)).toBe(true)
    expect(readU16(packet, 36)).toBe(checksum)
  })

  it('never asks for less than everybody takes', () => {
    const packet = syn(mss(1460))
    clampMss(readPacket(packet), 100, OFFLOAD.finished)
    expect(readU16(packet, 42)).toBe(536)
  })

  it.each([
    ['a size that fits', syn(mss(1440))],
    ['a segment that is no SYN', syn(mss(1460), 'A')],
    ['a SYN that announces nothing', syn([])],
    ['options that end before', syn([0, 0, 0, 0, ...mss(1460)])],
    ['an option that runs past the header', syn([3, 40, 0, 0])],
    ['an option of no length', syn([3, 0, 0, 0, ...mss(1460)])],
    ['an option of another length than this one has', syn([2, 3, 5, 1])],
    ['a length that is cut off', syn([1, 1, 1, 2])],
    ['a datagram', udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', payload: 'x'.repeat(30) })],
  ])('leaves %s alone', (_name, packet) => {
    const before = packet.slice()
    expect(clampMss(readPacket(packet), 1480, OFFLOAD.finished)).toBe(false)
    expect(packet).toEqual(before)
  })
})

describe('a tunnel that clamps', () => {
  const tunnel = { type: 'gue', port: 6080, checksum: 'none', clampsMss: true } as const

  it('lowers what both ends announce, as far as they are seen', () => {
    const stage = new Stage()
    stage.service('tcp:10.0.0.1:80')
    stage.destination('tcp:10.0.0.1:80', '192.168.1.1:80', { method: 'ipip', tunnel })
    const there = stage.inbound(syn(mss(1460)))
    expect(readU16(there.out, 32 + 42)).toBe(1500 - 32 - 40)
    const answer = tcp4({
      source: '10.0.0.1:80',
      destination: '10.9.0.1:3000',
      flags: 'SA',
      tcpOptions: Uint8Array.from(mss(1460)),
    })
    const back = stage.outbound(answer)
    expect(back.kind).toBe('rewrite')
    expect(readU16(back.out, 42)).toBe(1500 - 32 - 40)
    expectPacket(back.out).checksumsAreValid()
    expect(stage.outbound(tcp4({ source: '10.0.0.1:80', destination: '10.9.0.1:3000' })).kind).toBe('accept')
  })
})
