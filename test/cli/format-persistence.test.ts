import { describe, expect, it } from 'vitest'
import { formatPersistence, persistenceOptions } from '../../cli/format-persistence.ts'
import type { ServiceSettings } from '../../control/index.ts'
import { serviceOf } from '../support/api-values.ts'

/** A service's id, its settings, and what ipvsadm 1.31 lists and saves of them. */
const CASES: readonly [string, Partial<ServiceSettings>, listed: string, saved: string][] = [
  ['tcp:10.0.0.1:80', {}, '', ''],
  ['tcp:10.0.0.1:80', { persistentSeconds: 300 }, ' persistent 300', ' -p 300'],
  [
    'udp:10.0.0.1:5060',
    { persistentSeconds: 300, netmask: '255.255.255.0', engine: 'sip', onePacket: true },
    ' persistent 300 mask 255.255.255.0 pe sip ops',
    ' -p 300 -M 255.255.255.0 --pe sip -o',
  ],
  ['tcp:10.0.0.1:80', { persistentSeconds: 1, netmask: '255.255.255.255' }, ' persistent 1', ' -p 1'],
  ['tcp:[fd00::1]:80', { persistentSeconds: 1, netmask: 64 }, ' persistent 1 mask 64', ' -p 1 -M 64'],
  ['tcp:[fd00::1]:80', { persistentSeconds: 1, netmask: 128 }, ' persistent 1', ' -p 1'],
  ['udp:10.0.0.1:53', { onePacket: true }, ' ops', ' -o'],
  ['udp:10.0.0.1:53', { netmask: '255.0.0.0', engine: 'sip' }, '', ' --pe sip'],
]

describe('the persistence of a service', () => {
  it.each(CASES)('%s with %j is listed as "%s"', (id, settings, listed) => {
    expect(formatPersistence(serviceOf(id, settings))).toBe(listed)
  })

  it.each(CASES)('%s with %j is saved: "%s" as "%s"', (id, settings, _listed, saved) => {
    expect(persistenceOptions(serviceOf(id, settings))).toBe(saved)
  })
})
