import { describe, expect, it } from 'vitest'
import {
  DestinationConfig,
  DestinationSettings,
  KnobChanges,
  ServiceSettings,
  TunnelSettings,
} from '../../control/index.ts'
import { KNOB_NAMES } from '../../control/knobs.ts'

const IPIP = { type: 'ipip', port: 0, checksum: 'none' }

/** The messages of what is wrong. */
const flawsOf = (
  schema: { safeParse(input: unknown): { error?: { issues: { message: string }[] } } },
  input: unknown,
) => schema.safeParse(input).error?.issues.map(({ message }) => message)

describe('the tunnel of a destination', () => {
  it('is ipip where nothing is said', () => {
    expect(DestinationSettings.parse({}).tunnel).toEqual(IPIP)
    expect(DestinationSettings.parse({ tunnel: {} }).tunnel).toEqual(IPIP)
    expect(DestinationConfig.parse({ address: '10.0.0.2', port: 80, method: 'ipip' }).tunnel).toEqual(IPIP)
  })

  it.each([
    [{ type: 'gue', port: 6080, checksum: 'remote' }],
    [{ type: 'gue', port: 6080, checksum: 'full' }],
    [{ type: 'gre', port: 0, checksum: 'full' }],
  ])('is as said: %j', (tunnel) => {
    expect(DestinationSettings.parse({ method: 'ipip', tunnel }).tunnel).toEqual(tunnel)
  })

  it.each([
    [
      { type: 'gre', checksum: 'remote' },
      "'remote' is not a checksum of gre tunnels, which is one of: none full",
    ],
    [{ checksum: 'full' }, "'full' is not a checksum of ipip tunnels, which is one of: none"],
  ])('has a checksum of its type only: %j', (tunnel, flaw) => {
    expect(flawsOf(TunnelSettings, tunnel)).toEqual([flaw])
    expect(flawsOf(DestinationSettings, { method: 'ipip', tunnel })).toEqual([flaw])
  })

  it.each([[{ type: 'vxlan' }], [{ type: 'gue', port: 65_536 }], [{ type: 'gue', ports: 1 }], ['gue']])(
    'is nothing else: %j',
    (tunnel) => {
      expect(flawsOf(DestinationSettings, { tunnel })).toHaveLength(1)
    },
  )
})

describe('the settings of a service', () => {
  it('are ipvsadm’s defaults where nothing is said', () => {
    expect(ServiceSettings.parse({})).toEqual({
      scheduler: 'wlc',
      schedulerFlags: [],
      persistentSeconds: null,
      netmask: null,
      engine: null,
      onePacket: false,
    })
  })

  it.each([[1], [2_678_400]])('may remember a client for %d seconds', (persistentSeconds) => {
    expect(ServiceSettings.parse({ persistentSeconds })).toMatchObject({ persistentSeconds })
  })

  it.each([[0], [2_678_401], [1.5], ['60']])('remember nobody for %j seconds', (persistentSeconds) => {
    expect(flawsOf(ServiceSettings, { persistentSeconds })).toHaveLength(1)
  })

  it.each([['255.255.255.0'], ['0.0.0.24'], [1], [128]])('may have the netmask %j', (netmask) => {
    expect(ServiceSettings.parse({ netmask })).toMatchObject({ netmask })
  })

  it.each([['24'], ['fd00::'], ['mask'], [0], [129], [1.5]])('never have the netmask %j', (netmask) => {
    expect(flawsOf(ServiceSettings, { netmask })).toEqual([
      `'${netmask}' is neither a mask like 255.255.255.0 nor a prefix length of 1 to 128`,
    ])
  })
})

describe('changes of knobs', () => {
  it('may be none, or several', () => {
    for (const changes of [{}, { drop_entry: 3, am_droprate: -1 }])
      expect(KnobChanges.parse(changes)).toEqual(changes)
  })

  it.each([
    [{ sloppy_tcp: 1, drop_entry: 4 }, 'drop_entry is a whole number from 0 to 3, not 4'],
    [{ am_droprate: 0.5 }, 'am_droprate is a whole number from -2147483648 to 2147483647, not 0.5'],
    [{ toString: 1 }, `there is no knob 'toString'; there are: ${KNOB_NAMES.join(' ')}`],
  ])('are refused whole, by the first that is wrong: %j', (changes, flaw) => {
    expect(flawsOf(KnobChanges, changes)).toEqual([flaw])
  })

  it('are numbers', () => {
    expect(flawsOf(KnobChanges, { drop_entry: '3' })).toHaveLength(1)
  })
})
