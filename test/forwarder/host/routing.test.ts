import { describe, expect, it } from 'vitest'
import {
  type KernelRouting,
  planRouting,
  type RoutedHop,
  routingChanges,
} from '../../../forwarder/host/routing.ts'

const hop = (slot: number, destination: string, gateway = destination): RoutedHop => ({
  hop: { slot, destination, gateway, deviceIndex: 3, deviceName: 'eth1' },
  mark: slot << 4,
  mask: 0xff0,
})

// As `ip -N -json -details rule` prints a fresh network namespace, and the same after our changes.
const LOCAL = { priority: 0, src: 'all', table: '255', protocol: '2' }
const MAIN = { priority: 32766, src: 'all', table: '254', protocol: '2' }
const FRESH: KernelRouting = { rules: [LOCAL, MAIN], routes: [] }
const ONE_HOP: KernelRouting = {
  rules: [
    { priority: 1, src: 'all', fwmark: '0x10', fwmask: '0xff0', table: '7860001', protocol: '117' },
    { ...LOCAL, priority: 2 },
    MAIN,
  ],
  routes: [{ dst: 'default', gateway: '10.9.0.2', dev: 'eth1', table: '7860001', protocol: '117' }],
}

const changes = (hops: RoutedHop[], actual: KernelRouting) => routingChanges(planRouting(4, hops), actual)

describe('routingChanges', () => {
  it('doubles the local rule before it deletes the first, and has the route before the rule', () => {
    expect(changes([hop(1, '10.9.0.2')], FRESH)).toEqual([
      'route replace table 7860001 default via 10.9.0.2 dev eth1 onlink protocol 117',
      'rule add pref 2 protocol 2 lookup 255',
      'rule add pref 1 fwmark 0x10/0xff0 protocol 117 lookup 7860001',
      'rule del pref 0 protocol 2 lookup 255',
    ])
  })

  it('changes nothing where the kernel agrees', () => {
    expect(changes([hop(1, '10.9.0.2')], ONE_HOP)).toEqual([])
    expect(changes([], FRESH)).toEqual([])
  })

  it('brings the local rule back before the later copy goes', () => {
    expect(changes([], ONE_HOP)).toEqual([
      'rule del pref 1 fwmark 0x10/0xff0 lookup 7860001',
      'rule add pref 0 protocol 2 lookup 255',
      'rule del pref 2 protocol 2 lookup 255',
      'route flush table 7860001 protocol 117',
    ])
  })

  it('finishes a dance that was interrupted in either direction', () => {
    const both = { ...ONE_HOP, rules: [LOCAL, ...ONE_HOP.rules] }
    expect(changes([hop(1, '10.9.0.2')], both)).toEqual(['rule del pref 0 protocol 2 lookup 255'])
    expect(changes([], { ...both, rules: [LOCAL, { ...LOCAL, priority: 2 }, MAIN], routes: [] })).toEqual([
      'rule del pref 2 protocol 2 lookup 255',
    ])
  })

  it('replaces the route of a slot whose next hop changed, and leaves its rule', () => {
    expect(changes([hop(1, '10.9.0.2', '10.9.0.254')], ONE_HOP)).toEqual([
      'route replace table 7860001 default via 10.9.0.254 dev eth1 onlink protocol 117',
    ])
  })

  it('adds and removes single hops', () => {
    expect(changes([hop(2, '10.9.0.3')], ONE_HOP)).toEqual([
      'rule del pref 1 fwmark 0x10/0xff0 lookup 7860001',
      'route replace table 7860002 default via 10.9.0.3 dev eth1 onlink protocol 117',
      'rule add pref 1 fwmark 0x20/0xff0 protocol 117 lookup 7860002',
      'route flush table 7860001 protocol 117',
    ])
  })

  it('leaves a local rule alone that somebody else has moved behind ours already', () => {
    const vrf = { rules: [{ priority: 1000, l3mdev: null }, { ...LOCAL, priority: 32765 }, MAIN], routes: [] }
    expect(changes([hop(1, '10.9.0.2')], vrf).filter((line) => line.includes('lookup 255'))).toEqual([])
  })

  it('refuses when a rule of somebody else would come to stand before the local table', () => {
    const foreign = { rules: [LOCAL, { priority: 2, src: '10.0.0.0/8', table: '99' }, MAIN], routes: [] }
    expect(() => changes([hop(1, '10.9.0.2')], foreign)).toThrow(
      'the routing rule at preference 2 (lookup 99)',
    )
  })

  it('leaves rules alone that only look like ours', () => {
    const foreign = {
      priority: 1,
      src: 'all',
      fwmark: '0x10',
      fwmask: '0xff0',
      table: '7860001',
      protocol: '3',
    }
    expect(changes([], { rules: [LOCAL, foreign, MAIN], routes: [] })).toEqual([])
  })
})

describe('planRouting', () => {
  it('takes the hops of its family, by the destination', () => {
    const both = [hop(2, 'fd00::2'), hop(1, '10.9.0.2')]
    expect([...planRouting(4, both).routes.keys()]).toEqual([7_860_001])
    expect([...planRouting(6, both).routes.keys()]).toEqual([7_860_002])
  })

  it('names the family of a next hop that differs from its destination', () => {
    expect(changes([hop(1, '10.9.0.2', 'fe80::1')], FRESH)[0]).toContain('default via inet6 fe80::1 dev eth1')
  })

  it.each([
    ['a slot without a table', [hop(4097, '10.9.0.2')], 'slot 4097'],
    ['slot 0', [hop(0, '10.9.0.2')], 'slot 0'],
    ['a mark outside its mask', [{ ...hop(1, '10.9.0.2'), mark: 0x1010 }], '0x1010'],
    ['mark 0, which is every unmarked packet', [{ ...hop(1, '10.9.0.2'), mark: 0 }], 'mark 0x0'],
    ['one slot twice', [hop(1, '10.9.0.2'), { ...hop(1, '10.9.0.3'), mark: 0x20 }], 'slot 1'],
    ['one mark twice', [hop(1, '10.9.0.2'), { ...hop(2, '10.9.0.3'), mark: 0x10 }], 'mark 0x10'],
  ])('refuses %s', (_what, hops, message) => {
    expect(() => planRouting(4, hops)).toThrow(message)
  })
})
