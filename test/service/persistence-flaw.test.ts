import { describe, expect, it } from 'vitest'
import { persistenceFlaw } from '../../lib/service/flaws.ts'
import type { Persistence } from '../../lib/service/virtual-service.ts'
import { serviceKey } from '../support/stage.ts'

const IPV4 = 'tcp:10.0.0.1:80'
const IPV6 = 'tcp:[fd00::1]:80'
const sound: Persistence = { timeoutSec: 360, granularity: 128, engine: null }

const flawOf = (key: string, changes: Partial<Persistence>) =>
  persistenceFlaw(
    serviceKey(key),
    { scheduler: 'rr', schedulerFlags: 0, persistence: { ...sound, ...changes } },
    ['sip'],
  )

describe('persistenceFlaw', () => {
  it.each<[string, Partial<Persistence>]>([
    [IPV4, { granularity: -1 }],
    [IPV4, { granularity: 0 }],
    [IPV6, { granularity: 1 }],
    [IPV6, { granularity: 128 }],
    [IPV4, { engine: 'sip' }],
    [IPV4, { timeoutSec: 2_678_400 }],
  ])('has nothing against %s with %j', (key, changes) => {
    expect(flawOf(key, changes)).toBeNull()
  })

  it.each<[string, Partial<Persistence>, string, string]>([
    [IPV6, { granularity: 0 }, 'invalid-value', 'prefix length 0 is not between 1 and 128'],
    [IPV6, { granularity: 129 }, 'invalid-value', 'prefix length 129 is not between 1 and 128'],
    [IPV4, { engine: 'http' }, 'engine-not-found', "persistence engine 'http' is not one of: sip"],
    [IPV4, { timeoutSec: -1 }, 'invalid-value', 'persistence timeout -1 is not between 0 and 2678400'],
    [
      IPV4,
      { timeoutSec: 2_678_401 },
      'invalid-value',
      'persistence timeout 2678401 is not between 0 and 2678400',
    ],
    [
      IPV4,
      { timeoutSec: Number.NaN },
      'invalid-value',
      'persistence timeout NaN is not between 0 and 2678400',
    ],
  ])('refuses %s with %j, naming it', (key, changes, refused, message) => {
    expect(flawOf(key, changes)).toMatchObject({ refused, message })
  })

  it('has nothing against a service without persistence', () => {
    expect(persistenceFlaw(serviceKey(IPV4), { scheduler: 'rr', schedulerFlags: 0 }, [])).toBeNull()
    const none = { scheduler: 'rr', schedulerFlags: 0, persistence: null }
    expect(persistenceFlaw(serviceKey(IPV4), none, [])).toBeNull()
  })
})
