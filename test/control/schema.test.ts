import { describe, expect, it } from 'vitest'
import { DestinationConfig, DestinationSettings, TunnelSettings } from '../../control/index.ts'

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
