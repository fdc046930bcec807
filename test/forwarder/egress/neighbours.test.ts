import { describe, expect, it } from 'vitest'
import type { Hop } from '../../../forwarder/egress/egress.ts'
import { Neighbours, type NeighbourTable } from '../../../forwarder/egress/neighbours.ts'
import type { Neighbour } from '../../../forwarder/netlink/rtnetlink.ts'
import { octets } from '../../support/hex.ts'

const ADDRESS = octets('020000000001')
const hop = (slot = 1, gateway = '10.0.0.1', deviceIndex = 2): Hop => ({
  slot,
  destination: gateway,
  gateway,
  deviceIndex,
  deviceName: 'eth0',
})

function world(neighbour: Neighbour | null, hasNeighbours = true) {
  const state = { neighbour, nowMs: 1000, lookups: 0, resolved: [] as string[] }
  const table: NeighbourTable = {
    link: () => ({ hasNeighbours }),
    neighbour() {
      state.lookups++
      return state.neighbour
    },
    resolve: (deviceIndex, address) => state.resolved.push(`${address}%${deviceIndex}`) > 0,
    close() {},
  }
  return { state, neighbours: new Neighbours(() => state.nowMs, table) }
}

describe('Neighbours', () => {
  it('asks the kernel once a second for an address it knows', () => {
    const { state, neighbours } = world({ state: 'reachable', address: ADDRESS })
    for (const nowMs of [1000, 1001, 1999, 2000, 2999]) {
      state.nowMs = nowMs
      expect(neighbours.find(hop())).toEqual(ADDRESS)
    }
    expect(state.lookups).toBe(2)
    expect(state.resolved).toEqual([])
  })

  it.each([null, { state: 'incomplete', address: null }, { state: 'failed', address: null }] as const)(
    'has a neighbour resolved of which the kernel says %j, at most once a second',
    (unknown) => {
      const { state, neighbours } = world(unknown)
      expect(neighbours.find(hop())).toBeNull()
      expect(state.resolved).toEqual(['10.0.0.1%2'])
      state.nowMs += 999
      expect(neighbours.find(hop())).toBeNull()
      expect(state.resolved).toHaveLength(1)
      state.nowMs += 5
      state.neighbour = { state: 'incomplete', address: null }
      expect(neighbours.find(hop())).toBeNull()
      expect(state.resolved).toHaveLength(2)
      state.neighbour = { state: 'reachable', address: ADDRESS }
      state.nowMs += 5
      expect(neighbours.find(hop())).toEqual(ADDRESS)
    },
  )

  it('uses a stale address, and has the kernel verify it', () => {
    const { state, neighbours } = world({ state: 'stale', address: ADDRESS })
    expect(neighbours.find(hop())).toEqual(ADDRESS)
    expect(state.resolved).toEqual(['10.0.0.1%2'])
  })

  it('knows of no address on a link without addresses, and resolves none', () => {
    const { state, neighbours } = world(null, false)
    expect(neighbours.find(hop())).toEqual(new Uint8Array(0))
    expect(state.resolved).toEqual([])
  })

  it('forgets what it knew of a slot that another destination took over', () => {
    const { state, neighbours } = world({ state: 'reachable', address: ADDRESS })
    neighbours.find(hop(1, '10.0.0.1'))
    neighbours.find(hop(1, '10.0.0.2'))
    neighbours.find(hop(1, '10.0.0.2', 3))
    expect(state.lookups).toBe(3)
  })

  it('remembers 4096 hops at most', () => {
    const { state, neighbours } = world({ state: 'reachable', address: ADDRESS })
    for (let slot = 1; slot <= 4097; slot++) neighbours.find(hop(slot))
    neighbours.find(hop(4097))
    neighbours.find(hop(2))
    expect(state.lookups).toBe(4097)
    neighbours.find(hop(1))
    expect(state.lookups).toBe(4098)
  })

  it('names a gateway that is no address', () => {
    const { neighbours } = world(null)
    expect(() => neighbours.find(hop(1, 'router'))).toThrow(
      "the gateway 'router' is not an IPv4 or IPv6 address",
    )
  })
})
