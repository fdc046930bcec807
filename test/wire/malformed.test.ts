import { describe, expect, it } from 'vitest'
import { describeMalformed, MALFORMED, MALFORMED_REASONS } from '../../lib/wire/malformed.ts'

describe('MALFORMED', () => {
  it('has one constant for each reason, and its name is made of layer and flaw', () => {
    for (const reason of MALFORMED_REASONS) {
      const malformed = MALFORMED[reason]
      expect(malformed.reason).toBe(reason)
      expect(`${malformed.layer}-${malformed.flaw}`).toBe(reason)
      expect(malformed.kind).toBe('malformed')
    }
    expect(Object.keys(MALFORMED)).toEqual(MALFORMED_REASONS)
  })

  it('cannot be changed', () => {
    expect(Object.isFrozen(MALFORMED)).toBe(true)
    expect(Object.isFrozen(MALFORMED_REASONS)).toBe(true)
    for (const reason of MALFORMED_REASONS) expect(Object.isFrozen(MALFORMED[reason])).toBe(true)
  })

  it('names its reasons so that they serve as counter keys', () => {
    for (const reason of MALFORMED_REASONS)
      expect(reason).toMatch(/^(ip|ipv4|ipv6|tcp|udp|sctp|icmp|icmpv6)(-[a-z]+)+$/)
  })
})

describe('describeMalformed', () => {
  it('says each reason in words of its own', () => {
    const sentences = MALFORMED_REASONS.map((reason) => describeMalformed(MALFORMED[reason]))
    expect(new Set(sentences).size).toBe(MALFORMED_REASONS.length)
    expect(describeMalformed(MALFORMED['udp-length'])).toBe('the UDP length is shorter than the UDP header')
  })
})
