import { describe, expect, it } from 'vitest'
import { formatSaved } from '../../cli/format-save.ts'
import { NUMERIC } from '../../cli/names.ts'
import { TunnelSettings } from '../../control/index.ts'
import { destinationOf, serviceOf } from '../support/api-values.ts'

/** Expected lines are those of ipvsadm 1.31 for the same values. */
describe('formatSaved', () => {
  it.each([
    [{}, '--tun-type ipip'],
    [{ type: 'gue', port: 6080, checksum: 'full' }, '--tun-type gue --tun-port 6080 --tun-csum'],
    [{ type: 'gue', port: 6080, checksum: 'remote' }, '--tun-type gue --tun-port 6080 --tun-remcsum'],
    [{ type: 'gue', port: 6080 }, '--tun-type gue --tun-port 6080 --tun-nocsum'],
    [{ type: 'gre' }, '--tun-type gre --tun-nocsum'],
    [{ type: 'gre', checksum: 'full' }, '--tun-type gre --tun-csum'],
  ])('writes the tunnel to a server as the options that make it: %j', (given, options) => {
    const tunnel = TunnelSettings.parse(given)
    const destinations = [destinationOf('192.168.1.3:81', { method: 'ipip', tunnel })]
    expect(formatSaved([serviceOf('tcp:10.0.0.1:81', { scheduler: 'rr', destinations })], NUMERIC)).toBe(
      `-A -t 10.0.0.1:81 -s rr\n-a -t 10.0.0.1:81 -r 192.168.1.3:81 -i -w 1 ${options}\n`,
    )
  })

  it('writes no tunnel where none leads to the server', () => {
    const tunnel = { type: 'gre', port: 0, checksum: 'none' } as const
    const destinations = [destinationOf('192.168.1.3:81', { method: 'masquerading', tunnel })]
    expect(formatSaved([serviceOf('tcp:10.0.0.1:81', { destinations })], NUMERIC)).toBe(
      '-A -t 10.0.0.1:81 -s wlc\n-a -t 10.0.0.1:81 -r 192.168.1.3:81 -m -w 1\n',
    )
  })

  it.each([
    [{ upperThreshold: 0, lowerThreshold: 0 }, ''],
    [{ upperThreshold: 9, lowerThreshold: 0 }, ' -x 9'],
    [{ upperThreshold: 9, lowerThreshold: 8 }, ' -x 9 -y 8'],
  ])('writes thresholds, where there are any, as ipvsadm would read them: %j', (thresholds, options) => {
    const destinations = [destinationOf('192.168.1.3:81', { method: 'gatewaying', ...thresholds })]
    expect(formatSaved([serviceOf('fwmark:5', { destinations })], NUMERIC)).toBe(
      `-A -f 5 -s wlc\n-a -f 5 -r 192.168.1.3:81 -g -w 1${options}\n`,
    )
  })

  it('writes a flag that the scheduler has no name for by its number', () => {
    const service = serviceOf('fwmark:5', { scheduler: 'sh', schedulerFlags: ['flag-3', 'flag-1'] })
    expect(formatSaved([service], NUMERIC)).toBe('-A -f 5 -s sh -b sh-fallback,flag-3\n')
  })
})
