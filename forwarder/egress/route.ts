import type { Egress, EgressOptions } from './egress.ts'

/**
 * Direct routing by the kernel: an accepted packet carries a mark, policy routing sends marked packets on by the
 * destination's table. The mark is the destination's slot, shifted into the driver's mask; all other bits are for
 * others to use. Throws a RangeError for a mask whose bits are not one unbroken run.
 */
export function openRouteEgress({ markMask }: EgressOptions): Egress {
  const shift = shiftOf(markMask)
  const slotMax = markMask >>> shift
  return {
    name: 'route',
    kernelForwards: true,
    counters: { sent: 0, noNeighbour: 0, failed: 0 },
    markOf(slot) {
      if (slot < 1 || slot > slotMax) {
        throw new RangeError(
          `destination number ${slot} does not fit the mark mask ${hex(markMask)}, which has room for 1 to ${slotMax}`,
        )
      }
      return (slot << shift) | 0
    },
    /** The kernel transmits; a packet that comes here anyway is lost. */
    transmit() {
      this.counters.failed++
      return false
    },
    flush() {},
    close() {},
  }
}

/** How far a slot is shifted to lie in the mask: the place of its lowest bit. */
function shiftOf(mask: number): number {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask)
  const run = mask >>> shift
  if (mask === 0 || !Number.isInteger(mask) || mask < 0 || mask > 0xffff_ffff || (run & (run + 1)) !== 0) {
    throw new RangeError(`the mark mask ${hex(mask)} is not an unbroken run of bits within 32`)
  }
  return shift
}

const hex = (value: number): string => `0x${value.toString(16)}`
