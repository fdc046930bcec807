import { describe, expect, it } from 'vitest'
import { formatTotals, formatTotalsByCpu } from '../../cli/format-totals.ts'
import { FakeControl, NO_RATES } from '../support/fake-control.ts'
import { runCli } from '../support/run-cli.ts'

/** Expected texts are those of Linux 6.1 for the same values. */
const COUNTED = {
  totals: { connections: 0x64, inPackets: 0x65, outPackets: 0, inBytes: 0x2750, outBytes: 0 },
  rates: {
    connectionsPerSec: 1,
    inPacketsPerSec: 1,
    outPacketsPerSec: 0,
    inBytesPerSec: 0x35,
    outBytesPerSec: 0,
  },
  counted: { connections: 0x65, inPackets: 0x6d, outPackets: 5, inBytes: 0x28b2, outBytes: 0x12e },
}

describe('formatTotals', () => {
  it('prints ip_vs_stats as the kernel printed it, in hexadecimal', () => {
    expect(formatTotals(COUNTED, 16)).toBe(
      '   Total Incoming Outgoing         Incoming         Outgoing\n' +
        '   Conns  Packets  Packets            Bytes            Bytes\n' +
        '      64       65        0             2750                0\n' +
        '\n' +
        ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
        '       1        1        0               35                0\n',
    )
  })

  it('writes large numbers in full, in capital letters', () => {
    const totals = { ...COUNTED.totals, inBytes: 2 ** 53 - 1, connections: 0xabcdef012 }
    expect(formatTotals({ totals, rates: NO_RATES }, 16)).toContain(
      '\nABCDEF012       65        0   1FFFFFFFFFFFFF                0\n',
    )
  })
})

describe('formatTotalsByCpu', () => {
  it('prints ip_vs_stats_percpu as the kernel printed it, on one CPU', async () => {
    const client = new FakeControl()
    client.putCounted(COUNTED)
    expect(formatTotalsByCpu(await client.info())).toBe(
      '       Total Incoming Outgoing         Incoming         Outgoing\n' +
        'CPU    Conns  Packets  Packets            Bytes            Bytes\n' +
        '  0       65       6D        5             28B2              12E\n' +
        '  ~       64       65        0             2750                0\n' +
        '\n' +
        '     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
        '           1        1        0               35                0\n',
    )
  })
})

describe('uipvsadm -L --tot-stats', () => {
  it('prints the same table in decimal', async () => {
    const client = new FakeControl()
    client.putCounted(COUNTED)
    const { stdout, status } = await runCli('-L --tot-stats', { client })
    expect(status).toBe(0)
    expect(stdout).toContain('\n     100      101        0            10064                0\n')
    expect(stdout).toContain('\n       1        1        0               53                0\n')
  })
})
