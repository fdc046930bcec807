import { describe, expect, it } from 'vitest'
import type { Hop } from '../../../forwarder/egress/egress.ts'
import { countByErrno, LinkEgress, noLinkCounters } from '../../../forwarder/egress/link-egress.ts'
import { EMSGSIZE } from '../../../forwarder/native/constants.ts'
import { octets } from '../../support/hex.ts'

const ADDRESS = octets('020000000001')
const hop = (slot: number): Hop => ({
  slot,
  destination: '10.0.0.1',
  gateway: '10.0.0.1',
  deviceIndex: 2,
  deviceName: 'eth0',
})

function world() {
  const state = { nowMs: 0, known: new Set<number>(), sent: [] as string[], flushes: 0 }
  const counters = noLinkCounters()
  const egress = new LinkEgress('frame', {
    counters,
    nowMs: () => state.nowMs,
    neighbours: { find: ({ slot }) => (state.known.has(slot) ? ADDRESS : null), close() {} },
    sender: {
      send({ slot }, _neighbour, bytes, start, end) {
        state.sent.push(`${slot}: ${Buffer.from(bytes.subarray(start, end)).toString()}`)
        return true
      },
      flush: () => state.flushes++,
      close() {},
    },
  })
  const transmit = (slot: number, text: string) =>
    egress.transmit(hop(slot), Buffer.from(`..${text}`), 2, 2 + text.length)
  return { state, counters, egress, transmit }
}

describe('LinkEgress', () => {
  it('sends at once to a neighbour it knows', () => {
    const { state, transmit } = world()
    state.known.add(1)
    expect(transmit(1, 'a')).toBe(true)
    expect(state.sent).toEqual(['1: a'])
  })

  it('holds a packet until its neighbour is known, a copy of its bytes', () => {
    const { state, egress } = world()
    const bytes = Buffer.from('a')
    expect(egress.transmit(hop(1), bytes, 0, 1)).toBe(true)
    bytes.fill('x')
    egress.flush()
    expect(state.sent).toEqual([])
    state.known.add(1)
    egress.flush()
    egress.flush()
    expect(state.sent).toEqual(['1: a'])
    expect(state.flushes).toBe(3)
  })

  it('sends held packets before a later one of the same neighbour', () => {
    const { state, transmit } = world()
    transmit(1, 'a')
    transmit(2, 'b')
    state.known.add(1)
    transmit(1, 'c')
    expect(state.sent).toEqual(['1: a', '1: c'])
  })

  it('gives a packet up that waited three seconds', () => {
    const { state, counters, egress, transmit } = world()
    transmit(1, 'a')
    state.nowMs = 3000
    egress.flush()
    expect(counters.noNeighbour).toBe(0)
    state.nowMs = 3001
    egress.flush()
    expect(counters.noNeighbour).toBe(1)
    state.known.add(1)
    egress.flush()
    expect(state.sent).toEqual([])
  })

  it('holds 64 packets at most: the oldest gives way', () => {
    const { state, counters, egress, transmit } = world()
    for (let n = 0; n < 66; n++) transmit(1, String(n))
    expect(counters.noNeighbour).toBe(2)
    state.known.add(1)
    egress.flush()
    expect(state.sent).toHaveLength(64)
    expect(state.sent[0]).toBe('1: 2')
  })
})

describe('countByErrno', () => {
  it('counts by reason', () => {
    const counters = noLinkCounters()
    for (const errno of [0, 0, EMSGSIZE, 100]) countByErrno(counters, errno)
    expect(counters).toEqual({ sent: 2, noNeighbour: 0, tooLong: 1, failed: 1 })
  })
})
