import { describe, expect, it } from 'vitest'
import { crc32c } from '../../lib/bytes/crc32c.ts'
import { octets } from '../support/packets.ts'

const crcOf = (bytes: Uint8Array) => (crc32c(bytes, 0, bytes.length) >>> 0).toString(16).padStart(8, '0')
const filled = (of: (index: number) => number) => Uint8Array.from({ length: 32 }, (_, index) => of(index))

describe('crc32c', () => {
  it.each([
    ['32 octets of zeros', filled(() => 0), '8a9136aa'],
    ['32 octets of ones', filled(() => 0xff), '62a8ab43'],
    ['32 octets counting up', filled((index) => index), '46dd794e'],
    ['32 octets counting down', filled((index) => 31 - index), '113fdb5c'],
  ])('is what RFC 3720, appendix B.4, says of %s', (_, bytes, crc) => {
    expect(crcOf(bytes)).toBe(crc)
  })

  it('is the check value of the CRC catalogues for the digits', () => {
    expect(crcOf(octets('123456789'))).toBe('e3069283')
  })

  it('is 0 of nothing, and goes on from what came before', () => {
    const bytes = octets('123456789')
    expect(crc32c(bytes, 4, 4)).toBe(0)
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(crc32c(bytes, cut, bytes.length, crc32c(bytes, 0, cut)) >>> 0, `cut at ${cut}`).toBe(0xe3069283)
    }
  })

  it('covers what lies between start and end, and nothing else', () => {
    const bytes = octets('xx123456789yyy')
    expect(crc32c(bytes, 2, 11) >>> 0).toBe(0xe3069283)
  })
})
