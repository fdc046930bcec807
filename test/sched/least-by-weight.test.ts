import { describe, expect, it } from 'vitest'
import { leastByWeight } from '../../lib/sched/least-by-weight.ts'
import { overhead } from '../../lib/service/scheduler.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'tcp:10.0.0.1:80'

describe('leastByWeight', () => {
  it('tells products apart that no double can', () => {
    const stage = new Stage()
    const { pool } = stage.service(SERVICE)
    const later = stage.destination(SERVICE, '192.168.1.1:80', { weight: 2_147_483_647 })
    const earlier = stage.destination(SERVICE, '192.168.1.2:80', { weight: 2_147_483_646 })
    expect(pool).toEqual([earlier, later])
    earlier.inactive = 2_147_483_647
    later.inactive = 2_147_483_648
    // (2^31 - 1)^2 against 2^31 × (2^31 - 2): one more.
    expect(overhead(earlier) * later.weight).toBe(overhead(later) * earlier.weight)
    expect(leastByWeight(pool, overhead)).toBe(later)
  })

  it('prefers the earlier of those that are equal in proportion', () => {
    const stage = new Stage()
    const { pool } = stage.service(SERVICE)
    stage.destination(SERVICE, '192.168.1.1:80', { weight: 4 }).active = 4
    stage.destination(SERVICE, '192.168.1.2:80', { weight: 2 }).active = 2
    expect(leastByWeight(pool, overhead)).toBe(pool[0])
  })
})
