/**
 * What the kernel's files under /proc/net say of IPVS, byte for byte: for tools that read those. Lines end with
 * blanks where the kernel's do.
 */

import {
  type Connection,
  type Destination,
  endpointOf,
  type Info,
  keyOf,
  type Service,
} from '../control/index.ts'
import { type IpAddress, parseAddress } from '../lib/bytes/address.ts'
import { type DestinationKey, parseEndpoint, type ServiceKey, serviceFamily } from '../lib/service/key.ts'
import { METHOD_NAMES, versionLine } from './format-service.ts'

/**
 * ip_vs: services with their servers, those by firewall mark last. `hz` is the kernel's clock ticks a second, in
 * which it prints persistence timeouts.
 *
 * Otherwise the order is the one given: the kernel's is that of a hash table whose seed no two boots share.
 */
export function formatServiceFile(
  services: readonly Service[],
  info: Pick<Info, 'ipvsVersion' | 'connectionTableSize'>,
  { hz }: { readonly hz: number },
): string {
  const isMarked = (service: Service) => 'fwmark' in service
  const inOrder = [...services.filter((each) => !isMarked(each)), ...services.filter(isMarked)]
  return [
    versionLine(info),
    'Prot LocalAddress:Port Scheduler Flags\n',
    '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n',
    ...inOrder.flatMap((service) => [serviceLine(service, hz), ...service.destinations.map(serverLine)]),
  ].join('')
}

function serviceLine(service: Service, hz: number): string {
  const key = keyOf(service)
  const { persistentSeconds } = service
  const persistence =
    persistentSeconds === null ? '' : `persistent ${persistentSeconds * hz} ${hex(maskWord(service, key), 8)}`
  return `${nameOf(key)} ${service.scheduler} ${opsOf(service, key)}${persistence}\n`
}

const nameOf = (key: ServiceKey): string =>
  key.kind === 'fwmark' ? `FWM  ${hex(key.fwmark, 8)}` : `${key.transport.toUpperCase()}  ${endpoint(key)}`

/** As the kernel has it: an IPv6 service's line says nothing of one-packet scheduling, and a mark's has a blank less. */
function opsOf({ onePacket }: Service, key: ServiceKey): string {
  const ops = onePacket ? 'ops ' : ''
  if (key.kind === 'fwmark') return ops
  return key.address.family === 6 ? '' : `${ops} `
}

/** An IPv4 netmask, or an IPv6 prefix length with its bytes reversed. */
function maskWord({ netmask }: Service, key: ServiceKey): number {
  if (serviceFamily(key) === 6) return (typeof netmask === 'number' ? netmask : 128) * 0x100_0000
  return typeof netmask === 'string' ? (parseAddress(netmask) as IpAddress).w0 >>> 0 : 0xffff_ffff
}

const serverLine = (server: Destination): string =>
  `  -> ${endpoint(endpointOf(server))}      ${METHOD_NAMES[server.method].padEnd(7)} ` +
  [
    [server.weight, 6] as const,
    [server.activeConnections, 10] as const,
    [server.inactiveConnections, 10] as const,
  ]
    .map(([value, width]) => String(value).padEnd(width))
    .join(' ') +
  '\n'

/** `0A000001:0050`, or `[fd00:0000:…:0001]:0050`. */
const endpoint = ({ address, port }: DestinationKey): string =>
  `${address.family === 6 ? `[${plainHex(address)}]` : plainHex(address)}:${hex(port, 4)}`

/** ip_vs_conn: the connections in the order given. */
export const formatConnectionFile = (connections: readonly Connection[]): string =>
  [
    'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n',
    ...connections.map((connection) => {
      const { expiresSeconds, engine, engineData } = connection
      const engineShown = engine === undefined ? '' : ` ${engine} ${engineData}`
      return `${flowOf(connection)} ${String(expiresSeconds).padStart(7)}${engineShown}\n`
    }),
  ].join('')

/** ip_vs_app: protocols that have a helper, the port of their services, and how many connections it helps. */
export const formatApplicationFile = ({ applications }: Pick<Info, 'applications'>): string =>
  [
    'prot port    usecnt name\n',
    ...applications.map(({ name, transport, port, connections }) => {
      const columns = [String(port).padEnd(7), String(connections).padEnd(6), name.padEnd(17)]
      return `${transport.toUpperCase().padEnd(3)}  ${columns.join(' ')}\n`
    }),
  ].join('')

/** ip_vs_conn_sync: the same, and where each was made. That is always here: there are no sync daemons. */
export const formatSyncFile = (connections: readonly Connection[]): string =>
  [
    'Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n',
    ...connections.map(
      (connection) =>
        `${flowOf(connection)} ${'LOCAL'.padEnd(6)} ${String(connection.expiresSeconds).padStart(7)}\n`,
    ),
  ].join('')

function flowOf({ protocol, client, virtual, destination, state }: Connection): string {
  const ends = [client, virtual, destination].map((text) => {
    const { address, port } = parseEndpoint(text) as DestinationKey
    return `${plainHex(address)} ${hex(port, 4)}`
  })
  return `${protocol.padEnd(3)} ${ends.join(' ')} ${state.padEnd(11)}`
}

/** An IPv4 address as eight digits, an IPv6 one as all of its groups, in small letters. */
function plainHex(address: IpAddress): string {
  if (address.family === 4) return hex(address.w0 >>> 0, 8)
  const digits = [address.w0, address.w1, address.w2, address.w3].map((word) => hex(word >>> 0, 8)).join('')
  return (digits.toLowerCase().match(/.{4}/g) as string[]).join(':')
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
