import { describe, expect, it } from 'vitest'
import { openRouteEgress } from '../../../forwarder/egress/route.ts'

const open = (markMask: number) => openRouteEgress({ markMask, nowMs: () => 0 })

describe('the route driver', () => {
  it('leaves the forwarding to the kernel', () => {
    expect(open(0xff).kernelForwards).toBe(true)
  })

  it.each([
    { mask: 0xff, slot: 255, mark: 0xff },
    { mask: 0x0fff0000, slot: 1, mark: 0x10000 },
    { mask: 0x0fff0000, slot: 0xfff, mark: 0x0fff0000 },
    { mask: 0xff000000, slot: 0x80, mark: 0x80000000 | 0 },
    { mask: 0x80000000, slot: 1, mark: 0x80000000 | 0 },
    { mask: 0xffffffff, slot: 0x7fffffff, mark: 0x7fffffff },
  ])('puts slot $slot into the mask $mask', ({ mask, slot, mark }) => {
    expect(open(mask).markOf(slot)).toBe(mark)
  })

  it('refuses a slot that does not fit the mask', () => {
    expect(() => open(0xf00).markOf(16)).toThrow(
      'destination number 16 does not fit the mark mask 0xf00, which has room for 1 to 15',
    )
    expect(() => open(0xf00).markOf(0)).toThrow(RangeError)
  })

  it.each([0, -1, 1.5, 0x101, 0x1_0000_0000, Number.NaN])('refuses the mask %s', (mask) => {
    expect(() => open(mask)).toThrow('is not an unbroken run of bits within 32')
  })

  it('counts a packet that it is asked to transmit as failed', () => {
    const egress = open(0xff)
    const hop = { slot: 1, destination: '10.0.0.1', gateway: '10.0.0.1', deviceIndex: 1, deviceName: 'lo' }
    expect(egress.transmit(hop, new Uint8Array(20), 0, 20)).toBe(false)
    expect(egress.counters).toEqual({ sent: 0, noNeighbour: 0, failed: 1 })
  })
})
