/** What all services have counted together: `--tot-stats`, and the kernel's files ip_vs_stats and ip_vs_stats_percpu. */

import type { Counters, Info, Rates } from '../control/index.ts'

/** The kernel writes its files in hexadecimal. */
type Base = 10 | 16

/** The counters, and below them the rates a second, under headings; every line ends with a newline. */
export const formatTotals = ({ totals, rates }: Pick<Info, 'totals' | 'rates'>, base: Base): string =>
  '   Total Incoming Outgoing         Incoming         Outgoing\n' +
  '   Conns  Packets  Packets            Bytes            Bytes\n' +
  `${columns(countersOf(totals), base)}\n\n` +
  ' Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
  `${columns(ratesOf(rates), base)}\n`

/** The same with a line a CPU, whose counts nothing zeroes, and `~` for all; there is one data path, so one CPU. */
export const formatTotalsByCpu = ({ totals, rates, counted }: Info): string =>
  '       Total Incoming Outgoing         Incoming         Outgoing\n' +
  'CPU    Conns  Packets  Packets            Bytes            Bytes\n' +
  `  0 ${columns(countersOf(counted), 16)}\n` +
  `  ~ ${columns(countersOf(totals), 16)}\n\n` +
  '     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n' +
  `    ${columns(ratesOf(rates), 16)}\n`

const WIDTHS = [8, 8, 8, 16, 16]

const columns = (values: readonly number[], base: Base): string =>
  values
    .map((value, index) =>
      value
        .toString(base)
        .toUpperCase()
        .padStart(WIDTHS[index] as number),
    )
    .join(' ')

/** In the order in which every table prints them. */
export const countersOf = (counters: Counters): number[] => [
  counters.connections,
  counters.inPackets,
  counters.outPackets,
  counters.inBytes,
  counters.outBytes,
]

/** In the same order. */
export const ratesOf = (rates: Rates): number[] => [
  rates.connectionsPerSec,
  rates.inPacketsPerSec,
  rates.outPacketsPerSec,
  rates.inBytesPerSec,
  rates.outBytesPerSec,
]
