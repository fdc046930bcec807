/** The tables of services that `-L` prints: a header, a line for each service and one for each of its servers. */

import { type Destination, endpointOf, type Info, keyOf, type Service } from '../control/index.ts'
import { serverLabel, serviceLabel, transportOf } from './format-name.ts'
import { exactNumber, shortNumber } from './format-number.ts'
import { formatPersistence } from './format-persistence.ts'
import { countersOf, ratesOf } from './format-totals.ts'
import { tunnelInfo } from './format-tunnel.ts'
import type { Labels } from './names.ts'
import type { Table } from './request.ts'
import { formatSchedulerFlags } from './sched-flags.ts'

export interface TableStyle {
  readonly table: Table
  /** Large numbers in full. */
  readonly exact: boolean
  readonly labels: Labels
}

type NumberColumn = (value: number) => string

interface TableFormat {
  /** The two lines above the table. */
  readonly header: string
  /** What follows the service's name. */
  service(service: Service, number: NumberColumn): string
  /** What follows the server's name. */
  server(server: Destination, number: NumberColumn): string
  /** Services' names are padded to this. */
  readonly nameWidth: number
}

/** The line above a listing of all services. */
export const versionLine = ({
  ipvsVersion,
  connectionTableSize,
}: Pick<Info, 'ipvsVersion' | 'connectionTableSize'>): string =>
  `IP Virtual Server version ${ipvsVersion} (size=${connectionTableSize})\n`

/** A table of these services in the order given. Every line ends with a newline. */
export function formatServices(services: readonly Service[], { table, exact, labels }: TableStyle): string {
  const format = TABLES[table]
  const number = exact ? exactNumber : shortNumber
  const lines = [format.header]
  for (const service of services) {
    const key = keyOf(service)
    lines.push(serviceLabel(key, labels).padEnd(format.nameWidth) + format.service(service, number))
    for (const server of service.destinations) {
      const name = serverLabel(endpointOf(server), transportOf(key), labels)
      lines.push(`  -> ${name.padEnd(28)}${format.server(server, number)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

const left = (value: string | number, width: number): string => String(value).padEnd(width)

/** Columns of the given widths, with a blank between them. The last one is padded too, as in ipvsadm. */
const columns = (...cells: readonly (readonly [value: string | number, width: number])[]): string =>
  cells.map(([value, width]) => ` ${left(value, width)}`).join('')

const schedulingOf = (service: Service): string => {
  const { scheduler, schedulerFlags } = service
  const flags = schedulerFlags.length === 0 ? '' : ` (${formatSchedulerFlags(schedulerFlags, scheduler)})`
  return ` ${scheduler}${flags}${formatPersistence(service)}`
}

/** As tables and the kernel’s own file name them. */
export const METHOD_NAMES = { masquerading: 'Masq', gatewaying: 'Route', ipip: 'Tunnel' } as const

const connectionsOf = (server: Destination) =>
  [
    [server.activeConnections, 10],
    [server.inactiveConnections, 10],
  ] as const

const numberHeader = (...names: readonly string[]): string =>
  `${left('Prot LocalAddress:Port', 33)}${names.map((name) => ` ${name.padStart(8)}`).join('')}\n  -> RemoteAddress:Port`

const TABLES: Readonly<Record<Table, TableFormat>> = {
  plain: {
    header:
      'Prot LocalAddress:Port Scheduler Flags\n' +
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
    nameWidth: 0,
    service: schedulingOf,
    server: (server) =>
      columns([METHOD_NAMES[server.method], 7], [server.weight, 6], ...connectionsOf(server)),
  },
  stats: {
    header: numberHeader('Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'),
    nameWidth: 33,
    service: ({ counters }, number) => countersOf(counters).map(number).join(''),
    server: ({ counters }, number) => countersOf(counters).map(number).join(''),
  },
  rate: {
    header: numberHeader('CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'),
    nameWidth: 33,
    service: ({ rates }, number) => ratesOf(rates).map(number).join(''),
    // ipvsadm never shortens a server's first three rates, which count no bytes.
    server: ({ rates }, number) =>
      ratesOf(rates)
        .map((rate, index) => (index < 3 ? exactNumber(rate) : number(rate)))
        .join(''),
  },
  thresholds: {
    header:
      'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port',
    nameWidth: 0,
    service: schedulingOf,
    server: (server) =>
      columns([server.upperThreshold, 10], [server.lowerThreshold, 10], ...connectionsOf(server)),
  },
  'persistent-conn': {
    header:
      'Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port',
    nameWidth: 0,
    service: schedulingOf,
    server: (server) =>
      columns([server.weight, 9], [server.persistentConnections, 11], ...connectionsOf(server)),
  },
  'tun-info': {
    header:
      'Prot LocalAddress:Port Scheduler Flags\n' +
      '  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn',
    nameWidth: 0,
    service: schedulingOf,
    server: (server) =>
      columns(
        [METHOD_NAMES[server.method], 7],
        [tunnelInfo(server), 13],
        [server.weight, 6],
        ...connectionsOf(server),
      ),
  },
}
