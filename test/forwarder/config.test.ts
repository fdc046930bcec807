import { describe, expect, it } from 'vitest'
import { DaemonConfig, describeIssues } from '../../forwarder/config.ts'

/** What is wrong with a configuration, as the operator is told. */
const flawOf = (config: unknown): string | null => {
  const { error } = DaemonConfig.safeParse(config)
  return error === undefined ? null : describeIssues(error)
}

const SERVICE = { protocol: 'udp', address: '10.0.0.1', port: 5060 }

describe('a configuration', () => {
  it('may set knobs by the kernel’s names, and sets none by itself', () => {
    const knobs = { expire_nodest_conn: 1, drop_packet: 3 }
    expect(DaemonConfig.parse({ knobs }).knobs).toEqual(knobs)
    expect(DaemonConfig.parse({}).knobs).toEqual({})
  })

  it('may have persistent and one-packet services', () => {
    const settings = { persistentSeconds: 300, netmask: '255.255.255.0', engine: 'sip', onePacket: true }
    expect(DaemonConfig.parse({ services: [{ ...SERVICE, ...settings }] }).services).toMatchObject([settings])
  })

  it.each([
    [{ knobs: { drop_packet: 4 } }, 'knobs: drop_packet is a whole number from 0 to 3, not 4'],
    [{ knobs: { drop_packets: 1 } }, "knobs: there is no knob 'drop_packets'; there are: am_droprate "],
    [{ knobs: { drop_packet: true } }, 'knobs.drop_packet: expected number, received boolean'],
    [
      { services: [{ ...SERVICE, netmask: '/24' }] },
      "services[0].netmask: '/24' is neither a mask like 255.255.255.0 nor a prefix length of 1 to 128",
    ],
  ])('is refused by place, value and what was expected: %j', (config, flaw) => {
    expect(flawOf(config)).toContain(flaw)
  })
})
