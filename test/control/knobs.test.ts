import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  canonicalValue,
  initialIdleKnobs,
  isActing,
  KNOB_NAMES,
  KNOB_SCHEMAS,
  valueFlaw,
  whyIdle,
} from '../../control/knobs.ts'
import { defaultKnobs } from '../../lib/director/knobs.ts'

/** As a Linux 6.1 lists them, `sysctl -a`; the two of the estimation came with 6.2. */
const OF_THE_KERNEL = `
am_droprate amemthresh backup_only cache_bypass conn_reuse_mode conntrack debug_level drop_entry drop_packet
est_cpulist est_nice expire_nodest_conn expire_quiescent_template ignore_tunneled lblc_expiration lblcr_expiration
nat_icmp_send pmtu_disc run_estimation schedule_icmp secure_tcp sloppy_sctp sloppy_tcp snat_reroute sync_persist_mode
sync_ports sync_qlen_max sync_refresh_period sync_retries sync_sock_size sync_threshold sync_version`
  .trim()
  .split(/\s+/)

describe('the knobs', () => {
  it('are all that the kernel has, in the order of sysctl', () => {
    expect(KNOB_NAMES).toEqual(OF_THE_KERNEL)
  })

  it('begin with the kernel’s defaults', () => {
    const pages = 32 * 1000
    expect({ ...defaultKnobs(), ...initialIdleKnobs({ pages }) }).toEqual({
      am_droprate: 10,
      amemthresh: 1024,
      backup_only: 0,
      cache_bypass: 0,
      conn_reuse_mode: 1,
      conntrack: 0,
      debug_level: 0,
      drop_entry: 0,
      drop_packet: 0,
      est_cpulist: '',
      est_nice: 0,
      expire_nodest_conn: 0,
      expire_quiescent_template: 0,
      ignore_tunneled: 0,
      lblc_expiration: 86_400,
      lblcr_expiration: 86_400,
      nat_icmp_send: 0,
      pmtu_disc: 1,
      run_estimation: 1,
      schedule_icmp: 0,
      secure_tcp: 0,
      sloppy_sctp: 0,
      sloppy_tcp: 0,
      snat_reroute: 1,
      sync_persist_mode: 0,
      sync_ports: 1,
      sync_qlen_max: 1000,
      sync_refresh_period: 0,
      sync_retries: 0,
      sync_sock_size: 0,
      sync_threshold: '3 50',
      sync_version: 1,
    })
  })

  it('either have an effect or say why they have none', () => {
    for (const name of KNOB_NAMES)
      expect({ name, says: whyIdle(name) !== null }).toEqual({ name, says: !isActing(name) })
  })

  it.each([
    ['drop_entry', 3],
    ['am_droprate', -0x8000_0000],
    ['sync_ports', 64],
    ['sync_ports', 2 ** 30],
    ['sync_retries', 3],
    ['sync_qlen_max', 2 ** 40],
    ['sync_threshold', '3 50'],
    ['sync_threshold', '0\t0'],
    ['sync_threshold', '7 0'],
    ['est_cpulist', '0-3,6'],
    ['est_cpulist', ''],
    ['est_nice', -20],
    ['snat_reroute', 5],
  ])('%s takes %j', (name, value) => {
    expect(valueFlaw(name, value)).toBeNull()
  })

  it.each([
    ['drop_entry', 4, 'drop_entry is a whole number from 0 to 3, not 4'],
    ['drop_entry', '3', 'drop_entry is a whole number from 0 to 3, not 3'],
    ['backup_only', 2 ** 31, 'backup_only is a whole number from -2147483648 to 2147483647, not 2147483648'],
    ['backup_only', 0.5, 'backup_only is a whole number from -2147483648 to 2147483647, not 0.5'],
    ['sync_ports', 3, "sync_ports is a power of two, not '3'"],
    ['sync_ports', 0, "sync_ports is a power of two, not '0'"],
    ['sync_ports', '4', "sync_ports is a power of two, not '4'"],
    ['sync_version', 2, 'sync_version is a whole number from 0 to 1, not 2'],
    ['sync_refresh_period', -1, 'sync_refresh_period is a whole number from 0 to 2147483647, not -1'],
    [
      'sync_threshold',
      '50 50',
      "sync_threshold is a threshold and a period above it, or 0, like '3 50', not '50 50'",
    ],
    [
      'sync_threshold',
      '3',
      "sync_threshold is a threshold and a period above it, or 0, like '3 50', not '3'",
    ],
    ['sync_threshold', 3, "sync_threshold is a threshold and a period above it, or 0, like '3 50', not '3'"],
    ['est_cpulist', '3-', "est_cpulist is a list of CPUs like 0-3,6, not '3-'"],
    ['est_nice', 20, 'est_nice is a whole number from -20 to 19, not 20'],
    ['toString', 1, `there is no knob 'toString'; there are: ${OF_THE_KERNEL.join(' ')}`],
  ])('%s refuses %j by name, value and what it takes', (name, value, flaw) => {
    expect(valueFlaw(name, value)).toBe(flaw)
  })

  it('are kept as they are shown', () => {
    expect(canonicalValue('sync_threshold', ' 3\t 50 ')).toBe('3 50')
    expect(canonicalValue('drop_entry', 3)).toBe(3)
  })

  it('say in documents what they are without effect', () => {
    expect(KNOB_SCHEMAS['drop_entry']).toEqual({ type: 'integer', minimum: 0, maximum: 3, default: 0 })
    expect(KNOB_SCHEMAS['sync_threshold']).toMatchObject({ type: 'string', default: '3 50' })
    expect(KNOB_SCHEMAS['conntrack']?.description).toMatch(/^without effect: /)
  })
})

describe('the documentation', () => {
  it('says of every knob without effect why it has none', () => {
    const text = readFileSync(new URL('../../docs/DAEMON.md', import.meta.url), 'utf8')
    const rows = text.split('\n').filter((line) => line.startsWith('| `'))
    const idle = KNOB_NAMES.filter((name) => !isActing(name)).map(
      (name) => `| \`${name}\` | ${whyIdle(name)} |`,
    )
    expect(rows.filter((row) => KNOB_NAMES.some((name) => row.startsWith(`| \`${name}\``)))).toEqual(idle)
  })
})
