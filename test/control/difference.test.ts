import { describe, expect, it } from 'vitest'
import { type Configuration, WantedConfiguration } from '../../control/configuration.ts'
import { difference } from '../../control/difference.ts'

const TIMEOUTS = { tcp: 900, tcpFin: 120, udp: 300 }
const KNOBS = { drop_entry: 0, sync_threshold: '3 50' }

const wanted = (services: readonly object[], rest: object = {}) =>
  WantedConfiguration.parse({ services, ...rest })
const inForce = (services: readonly object[]): Configuration => ({
  ...wanted(services),
  timeouts: TIMEOUTS,
  knobs: KNOBS,
})

const web = (rest: object = {}) => ({ protocol: 'tcp', address: '10.0.0.1', port: 80, ...rest })
const server = (number: number, rest: object = {}) => ({ address: `192.168.1.${number}`, port: 80, ...rest })

/** Kind and subject of each change. */
const namesOf = (before: Configuration, after: WantedConfiguration): string[] =>
  difference(before, after).map((change) =>
    Object.values(change)
      .filter((value) => typeof value === 'string')
      .join(' '),
  )

describe('difference', () => {
  it('of a configuration and itself is nothing, in whatever order', () => {
    const services = [web({ destinations: [server(1), server(2)] }), { fwmark: 1 }]
    expect(difference(inForce(services), wanted(services))).toEqual([])
    const turned = [{ fwmark: 1 }, web({ destinations: [server(2), server(1)] })]
    expect(difference(inForce(services), wanted(turned))).toEqual([])
    expect(difference(inForce(services), wanted(services, { timeouts: TIMEOUTS, knobs: KNOBS }))).toEqual([])
  })

  it('adds first and removes last, real servers while their service is there', () => {
    const before = inForce([
      { fwmark: 1, destinations: [server(1)] },
      web({ destinations: [server(1), server(2)] }),
    ])
    const after = wanted([
      web({ scheduler: 'rr', destinations: [server(2, { weight: 5 }), server(3)] }),
      { fwmark: 2, destinations: [server(4)] },
    ])
    expect(namesOf(before, after)).toEqual([
      'destination-added tcp:10.0.0.1:80 192.168.1.3:80',
      'service-added fwmark:2',
      'destination-added fwmark:2 192.168.1.4:80',
      'service-edited tcp:10.0.0.1:80',
      'destination-edited tcp:10.0.0.1:80 192.168.1.2:80',
      'destination-removed fwmark:1 192.168.1.1:80',
      'service-removed fwmark:1',
      'destination-removed tcp:10.0.0.1:80 192.168.1.1:80',
    ])
  })

  it('tells what was and what is', () => {
    const [edited] = difference(
      inForce([web({ destinations: [server(1)] })]),
      wanted([web({ destinations: [server(1, { weight: 0, tunnel: { type: 'gre' } })] })]),
    )
    expect(edited).toMatchObject({
      kind: 'destination-edited',
      before: { weight: 1, tunnel: { type: 'ipip' } },
      after: { weight: 0, tunnel: { type: 'gre' } },
    })
  })

  it('leaves timeouts and knobs that are not named as they are, and a timeout of 0', () => {
    const before = inForce([])
    expect(difference(before, wanted([], { timeouts: { tcp: 0, tcpFin: 0, udp: 9 } }))).toEqual([
      { kind: 'timeouts-changed', before: TIMEOUTS, after: { ...TIMEOUTS, udp: 9 } },
    ])
    expect(difference(before, wanted([], { knobs: { drop_entry: 3, sync_threshold: ' 3\t50 ' } }))).toEqual([
      { kind: 'knob-changed', knob: 'drop_entry', before: 0, after: 3 },
    ])
  })
})
