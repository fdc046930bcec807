import { describe, expect, it } from 'vitest'
import {
  restoreSysctls,
  SysctlKeeper,
  type SysctlNeeds,
  type SysctlRecord,
  type SysctlTree,
} from '../../../forwarder/host/sysctls.ts'

const NEEDS: SysctlNeeds = { forwarding: [], noRedirects: false, tunnelIngress: [] }

/** A tree that changes other values along with forwarding, as the kernel does. */
function fakeTree(initial: Record<string, string>) {
  const values = new Map(Object.entries(initial))
  const tree: SysctlTree = {
    read: (name) => values.get(name) ?? null,
    write(name, value) {
      if (!values.has(name)) throw new Error(`ENOENT ${name}`)
      values.set(name, value)
      if (name === 'net/ipv4/ip_forward') {
        values.set('net/ipv4/conf/all/accept_redirects', value === '1' ? '0' : '1')
        for (const each of values.keys()) if (/ipv4.*\/forwarding$/.test(each)) values.set(each, value)
      }
      if (name === 'net/ipv6/conf/all/forwarding')
        for (const each of values.keys()) if (/ipv6.*\/forwarding$/.test(each)) values.set(each, value)
    },
    list: (directory) => {
      const below = [...values.keys()].filter((name) => name.startsWith(`${directory}/`))
      return [
        ...new Set(below.map((name) => name.slice(directory.length + 1).split('/')[0] as string)),
      ].sort()
    },
  }
  return { tree, values, snapshot: () => Object.fromEntries(values) }
}

const HOST = {
  'net/ipv4/ip_forward': '0',
  'net/ipv4/conf/all/accept_redirects': '1',
  'net/ipv4/conf/all/forwarding': '0',
  'net/ipv4/conf/all/rp_filter': '1',
  'net/ipv4/conf/all/send_redirects': '1',
  'net/ipv4/conf/eth0/accept_local': '0',
  'net/ipv4/conf/eth0/forwarding': '1',
  'net/ipv4/conf/eth0/rp_filter': '0',
  'net/ipv4/conf/eth0/send_redirects': '1',
  'net/ipv4/conf/vlan.7/forwarding': '0',
  'net/ipv4/conf/vlan.7/send_redirects': '0',
  'net/ipv6/conf/all/accept_ra': '1',
  'net/ipv6/conf/all/forwarding': '0',
  'net/ipv6/conf/eth0/accept_ra': '1',
  'net/ipv6/conf/eth0/forwarding': '0',
  'net/ipv6/conf/lo/accept_ra': '0',
  'net/ipv6/conf/lo/forwarding': '0',
}

describe('SysctlKeeper', () => {
  it('puts back what the kernel changed along with forwarding, exactly', () => {
    const { tree, snapshot } = fakeTree(HOST)
    const keeper = new SysctlKeeper(() => undefined, { tree })
    keeper.require({ ...NEEDS, forwarding: [4, 6], noRedirects: true })
    expect(snapshot()).toMatchObject({ 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/all/send_redirects': '0' })
    keeper.release(NEEDS)
    expect(snapshot()).toEqual(HOST)
    expect(keeper.records).toEqual([])
  })

  it('has written down every former value before it changes the first', () => {
    const { tree, snapshot } = fakeTree(HOST)
    const seen: { state: unknown; records: readonly SysctlRecord[] }[] = []
    const keeper = new SysctlKeeper((records) => seen.push({ state: snapshot(), records }), { tree })
    keeper.require({ ...NEEDS, forwarding: [4] })
    expect(seen).toHaveLength(1)
    expect(seen[0]?.state).toEqual(HOST)
    restoreSysctls(seen[0]?.records ?? [], tree)
    expect(snapshot()).toEqual(HOST)
  })

  it('neither records nor touches what is as wanted already', () => {
    const router = { ...HOST, 'net/ipv4/ip_forward': '1' }
    const { tree, snapshot } = fakeTree(router)
    const keeper = new SysctlKeeper(() => undefined, { tree })
    keeper.require({ ...NEEDS, forwarding: [4] })
    expect(keeper.records).toEqual([])
    keeper.release(NEEDS)
    expect(snapshot()).toEqual(router)
  })

  it('keeps accepting router advertisements on a host that was none, and leaves a router alone', () => {
    const host = fakeTree(HOST)
    new SysctlKeeper(() => undefined, { tree: host.tree }).require({ ...NEEDS, forwarding: [6] })
    expect(host.snapshot()).toMatchObject({
      'net/ipv6/conf/eth0/accept_ra': '2',
      'net/ipv6/conf/lo/accept_ra': '0',
      'net/ipv6/conf/all/accept_ra': '1',
    })
    const router = fakeTree({ ...HOST, 'net/ipv6/conf/all/forwarding': '1' })
    new SysctlKeeper(() => undefined, { tree: router.tree }).require({ ...NEEDS, forwarding: [6] })
    expect(router.snapshot()['net/ipv6/conf/eth0/accept_ra']).toBe('1')
  })

  it('stays with what it has set when asked the same again, and reaches devices that came since', () => {
    const { tree, values } = fakeTree(HOST)
    const keeper = new SysctlKeeper(() => undefined, { tree })
    const needs: SysctlNeeds = { ...NEEDS, forwarding: [6], noRedirects: true }
    keeper.require(needs)
    const before = keeper.records
    keeper.require(needs)
    keeper.release(needs)
    expect(keeper.records).toEqual(before)
    values.set('net/ipv4/conf/eth9/send_redirects', '1')
    keeper.require(needs)
    expect(values.get('net/ipv4/conf/eth9/send_redirects')).toBe('0')
  })

  it('loosens the reverse path filter only for tunnelling by verdict, and only where it is strict', () => {
    const strict = fakeTree(HOST)
    new SysctlKeeper(() => undefined, { tree: strict.tree }).require({ ...NEEDS, tunnelIngress: ['eth0'] })
    expect(strict.snapshot()).toMatchObject({
      'net/ipv4/conf/eth0/rp_filter': '2',
      'net/ipv4/conf/eth0/accept_local': '1',
    })
    const off = fakeTree({ ...HOST, 'net/ipv4/conf/all/rp_filter': '0' })
    new SysctlKeeper(() => undefined, { tree: off.tree }).require({ ...NEEDS, tunnelIngress: ['eth0'] })
    expect(off.snapshot()['net/ipv4/conf/eth0/rp_filter']).toBe('0')
  })

  it('goes on with a warning without a setting that is only good to have, and stops at one that is needed', () => {
    const { tree } = fakeTree(HOST)
    const readOnly = (name: string): SysctlTree => ({
      ...tree,
      write(written, value) {
        if (written === name) throw new Error('EROFS: read-only file system')
        tree.write(written, value)
      },
    })
    const warnings: string[] = []
    const warn = (message: string) => warnings.push(message)
    const needs: SysctlNeeds = { ...NEEDS, forwarding: [4], noRedirects: true }
    new SysctlKeeper(() => undefined, { tree: readOnly('net/ipv4/conf/all/send_redirects'), warn }).require(
      needs,
    )
    expect(warnings).toEqual([
      expect.stringContaining('/proc/sys/net/ipv4/conf/all/send_redirects to 0: EROFS'),
    ])
    tree.write('net/ipv4/ip_forward', '0')
    const keeper = new SysctlKeeper(() => undefined, { tree: readOnly('net/ipv4/ip_forward'), warn })
    expect(() => keeper.require(needs)).toThrow('cannot set /proc/sys/net/ipv4/ip_forward to 1')
  })

  it('names the setting that does not exist', () => {
    const keeper = new SysctlKeeper(() => undefined, { tree: fakeTree(HOST).tree })
    expect(() => keeper.set('net/ipv4/nonsense', '1')).toThrow('/proc/sys/net/ipv4/nonsense')
  })
})

describe('restoreSysctls', () => {
  const record: SysctlRecord = {
    name: 'net/ipv4/conf/all/rp_filter',
    former: '1',
    ours: '2',
    sideEffects: [],
  }

  it('leaves a value that somebody else has set meanwhile', () => {
    const { tree, values } = fakeTree({ ...HOST, [record.name]: '0' })
    restoreSysctls([record], tree)
    expect(values.get(record.name)).toBe('0')
  })

  it('tries every setting and names those that could not be put back', () => {
    const { tree, values } = fakeTree({
      ...HOST,
      [record.name]: '2',
      'net/ipv4/conf/eth0/send_redirects': '0',
    })
    const stubborn: SysctlTree = {
      ...tree,
      write(name, value) {
        if (name === record.name) throw new Error('EROFS')
        tree.write(name, value)
      },
    }
    const other = { name: 'net/ipv4/conf/eth0/send_redirects', former: '1', ours: '0', sideEffects: [] }
    expect(() => restoreSysctls([other, record], stubborn)).toThrow('all/rp_filter back to 1: EROFS')
    expect(values.get(other.name)).toBe('1')
  })

  it('does not mind a device that is gone', () => {
    const { tree, snapshot } = fakeTree({})
    restoreSysctls([record], tree)
    expect(snapshot()).toEqual({})
  })
})
