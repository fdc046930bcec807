import { describe, expect, it } from 'vitest'
import { ownXtablesLock } from '../../../forwarder/host/xtables-lock.ts'

describe('the lock of iptables-legacy', () => {
  it.each([
    ['is the common one where that can be opened', {}, true, null],
    ['is our own where it cannot', {}, false, '/run/uipvs/own.lock'],
    ['is the one that was asked for, even so', { XTABLES_LOCKFILE: '/run/theirs' }, false, null],
  ])('%s', (_title, environment, canOpen, expected) => {
    const tried: string[] = []
    const open = (path: string) => {
      tried.push(path)
      return canOpen
    }
    expect(ownXtablesLock(environment, '/run/uipvs/own.lock', open)).toBe(expected)
    expect(tried.every((path) => path === '/run/xtables.lock')).toBe(true)
  })
})
