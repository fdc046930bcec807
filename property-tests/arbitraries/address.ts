/** Addresses and ports, the awkward ones often. */

import fc from 'fast-check'
import { type Family, IpAddress } from '../../lib/bytes/address.ts'

/** Signed 32-bit words; 0, -1 and the half-way words often. */
const word = (): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }) },
    { weight: 1, arbitrary: fc.constantFrom(0, -1, 0xffff, 0xffff_0000 | 0, -0x8000_0000) },
  )

export const ipv4Address = (): fc.Arbitrary<IpAddress> => word().map((w0) => new IpAddress(4, w0))

export const ipv6Address = (): fc.Arbitrary<IpAddress> =>
  fc.tuple(word(), word(), word(), word()).map((words) => new IpAddress(6, ...words))

export const address = (family: Family): fc.Arbitrary<IpAddress> =>
  family === 4 ? ipv4Address() : ipv6Address()

export const family = (): fc.Arbitrary<Family> => fc.constantFrom<Family>(4, 6)

/** 16 bits: ports, windows, identifications. */
export const uint16 = (): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: 0xffff }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff) },
  )

export const uint8 = (): fc.Arbitrary<number> => fc.integer({ min: 0, max: 0xff })
export const uint32 = (): fc.Arbitrary<number> => fc.integer({ min: 0, max: 0xffff_ffff })
