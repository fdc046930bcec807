import { describe, expect, it } from 'vitest'
import { loadOrder, WANTED_MODULES } from '../../../conformance/uml/modules.ts'

/** As depmod writes it: what a module needs, the last needed first. */
const DEPENDENCIES = `kernel/lib/libcrc32c.ko:
kernel/net/netfilter/nf_conntrack.ko: kernel/lib/libcrc32c.ko
kernel/net/netfilter/ipvs/ip_vs.ko: kernel/net/netfilter/nf_conntrack.ko kernel/lib/libcrc32c.ko
kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/net/netfilter/ipvs/ip_vs.ko kernel/net/netfilter/nf_conntrack.ko kernel/lib/libcrc32c.ko
kernel/net/netfilter/xt_nfqueue.ko:
kernel/net/dummy.ko:
`

describe('the order of loading modules', () => {
  it('puts what is needed first, and everything once', () => {
    expect(loadOrder(DEPENDENCIES, ['ip_vs_rr', 'dummy', 'ip_vs'])).toEqual([
      'kernel/lib/libcrc32c.ko',
      'kernel/net/netfilter/nf_conntrack.ko',
      'kernel/net/netfilter/ipvs/ip_vs.ko',
      'kernel/net/netfilter/ipvs/ip_vs_rr.ko',
      'kernel/net/dummy.ko',
    ])
  })

  it('takes dashes for underscores, and leaves out what this kernel does not have', () => {
    expect(loadOrder(DEPENDENCIES, ['xt-nfqueue', 'veth'])).toEqual(['kernel/net/netfilter/xt_nfqueue.ko'])
  })

  it('is asked for every scheduler', () => {
    expect(WANTED_MODULES.filter((name) => name.startsWith('ip_vs_')).length).toBeGreaterThanOrEqual(14)
  })
})
