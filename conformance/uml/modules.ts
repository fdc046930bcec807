/** Which kernel modules to load, and in which order. */

/** Everything that IPVS has, and what the traffic of a scenario and the forwarder's own rules need. */
export const WANTED_MODULES: readonly string[] = `
  ip_vs ip_vs_ftp ip_vs_pe_sip
  ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf
  ip_vs_dh ip_vs_sh ip_vs_mh ip_vs_lblc ip_vs_lblcr ip_vs_twos
  dummy veth ipip ip6_tunnel sit fou ip_gre
  iptable_mangle iptable_raw iptable_filter ip6table_mangle ip6table_raw ip6table_filter
  nfnetlink_queue xt_NFQUEUE xt_CT xt_mark xt_connmark xt_multiport xt_conntrack
  xt_tcpudp xt_sctp xt_addrtype xt_comment ip6t_frag ip6t_ipv6header
`
  .trim()
  .split(/\s+/)

/**
 * The paths of the modules to load, each after those it depends on. `dependencies` is the text of `modules.dep`:
 * a line for each module, `path: path ...`, what it depends on in the order of a stack. Wanted modules that this kernel
 * does not have are left out: it has them built in, or lacks them.
 */
export function loadOrder(dependencies: string, wanted: readonly string[] = WANTED_MODULES): string[] {
  const needs = new Map(
    dependencies
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [path = '', needed = ''] = line.split(':')
        return [path, needed.split(' ').filter((word) => word !== '')] as const
      }),
  )
  const byName = new Map([...needs.keys()].map((path) => [nameOf(path), path]))
  const order = new Set<string>()
  for (const name of wanted) {
    const path = byName.get(nameOf(name))
    if (path === undefined) continue
    for (const needed of [...(needs.get(path) ?? [])].reverse()) order.add(needed)
    order.add(path)
  }
  return [...order]
}

/** `kernel/net/ipv4/ipip.ko` is `ipip`; dashes and underscores are the same to the kernel. */
const nameOf = (path: string): string =>
  (path.split('/').at(-1) as string).replace(/\.ko$/, '').replaceAll('-', '_')
