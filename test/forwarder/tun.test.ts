import { describe, expect, it } from 'vitest'
import { openTun } from '../../forwarder/tun.ts'

describe('openTun', () => {
  it.each(['', 'sixteen-octets-x', 'a/b', 'a b', 'a:b', '.', '..', 'nul\0', 'zwölf-oktetts-1'])(
    'refuses a name that no device can have: %j',
    (name) => {
      expect(() => openTun(name)).toThrow(
        new RangeError(
          `tun device name '${name}': expected 1 to 15 octets without spaces, slashes and colons`,
        ),
      )
    },
  )
})
