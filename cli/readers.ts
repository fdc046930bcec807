/** What each option's argument must be, and what it sets: one reader for every spelling in grammar.ts. */

import type { DestinationSettings, ServiceSettings } from '../control/index.ts'
import { type DestinationKey, type ServiceKey, serviceFamily, type Transport } from '../lib/service/key.ts'
import { parseEndpointText, parseHost } from './address.ts'
import { type LongOption, TUNNEL_TYPES, type TunnelType } from './grammar.ts'
import { type Refusal, usageError } from './messages.ts'
import type { Names } from './names.ts'
import { parseMulticast, parseNumber, parsePrefixLength, parseTimeout } from './values.ts'

/** What the options read so far have set. */
export interface Draft {
  service: ServiceKey | null
  server: DestinationKey | null
  /** Empty where none was given, which means the default. */
  scheduler: string
  /** As given: what it may hold depends on the scheduler, which may come later on the line. */
  schedulerFlags: string
  persistentSeconds: number | null
  netmask: ServiceSettings['netmask']
  engine: string | null
  method: DestinationSettings['method']
  weight: number
  upperThreshold: number
  lowerThreshold: number
  tunnel: DestinationSettings['tunnel']
}

export const newDraft = (): Draft => ({
  service: null,
  server: null,
  scheduler: '',
  schedulerFlags: '',
  persistentSeconds: null,
  netmask: null,
  engine: null,
  method: 'gatewaying',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
})

/** Reads one option into the draft; gives null, or why its argument will not do. */
type Reader = (
  draft: Draft,
  argument: string | null,
  names: Names,
) => Refusal | null | Promise<Refusal | null>

const MAX_INT = 2_147_483_647
const DEFAULT_PERSISTENT_SECONDS = 360
const ENGINE_NAME_MAX_CHARS = 15

/** An option that says all by being there; the caller notes its name. */
const flag: Reader = () => null

const service =
  (transport: Transport): Reader =>
  async (draft, argument, names) => {
    const endpoint = await parseEndpointText(argument ?? '', transport, names)
    if (endpoint === null) return usageError('illegal virtual server address[:port] specified')
    draft.service = { kind: 'address', transport, address: endpoint.address, port: endpoint.port ?? 0 }
    if (endpoint.address.family === 6) draft.netmask = null // as in ipvsadm: a mask given before was IPv4's
    return null
  }

/** A server without a port takes the service's, so far as it has been given already. */
const server: Reader = async (draft, argument, names) => {
  const { service } = draft
  const transport = service?.kind === 'fwmark' ? 'tcp' : (service?.transport ?? null)
  const endpoint = await parseEndpointText(argument ?? '', transport, names)
  if (endpoint === null) return usageError('illegal real server address[:port] specified')
  const servicePort = service?.kind === 'address' ? service.port : 0
  draft.server = { address: endpoint.address, port: endpoint.port ?? servicePort }
  return null
}

const number =
  (min: number, max: number, flaw: string, keep: (draft: Draft, value: number) => void = () => {}): Reader =>
  (draft, argument) => {
    const value = parseNumber(argument ?? '', min, max)
    if (value === null) return usageError(flaw)
    keep(draft, value)
    return null
  }

const method =
  (name: Draft['method']): Reader =>
  (draft) => {
    draft.method = name
    return null
  }

const tunnelChecksum =
  (kind: Draft['tunnel']['checksum']): Reader =>
  (draft) => {
    draft.tunnel.checksum = kind
    return null
  }

export const READERS: Readonly<Record<LongOption, Reader>> = {
  numeric: flag,
  connection: flag,
  'tcp-service': service('tcp'),
  'udp-service': service('udp'),
  'sctp-service': service('sctp'),
  'fwmark-service': (draft, argument) => {
    const fwmark = parseNumber(argument ?? '', 1, 0xffff_ffff)
    if (fwmark === null) return usageError(`invalid fwmark value \`${argument}' specified`)
    draft.service = { kind: 'fwmark', fwmark, family: 4 }
    return null
  },
  ipv6: (draft) => {
    // The second newline is ipvsadm's.
    if (draft.service?.kind !== 'fwmark') return usageError('-6 used before -f\n')
    draft.service = { ...draft.service, family: 6 }
    draft.netmask = null
    return null
  },
  scheduler: (draft, argument) => {
    draft.scheduler = (argument ?? '').slice(0, 15)
    return null
  },
  persistent: (draft, argument) => {
    const seconds = argument === null ? DEFAULT_PERSISTENT_SECONDS : parseTimeout(argument, 1)
    if (seconds === null) return usageError(`invalid timeout value \`${argument}' specified`)
    draft.persistentSeconds = seconds
    return null
  },
  netmask: async (draft, argument, names) => {
    const text = argument ?? ''
    if (draft.service !== null && serviceFamily(draft.service) === 6) {
      draft.netmask = parsePrefixLength(text)
      return draft.netmask === null ? usageError('illegal ipv6 netmask specified') : null
    }
    draft.netmask = (await parseHost(text, names))?.toString() ?? null
    return draft.netmask === null ? usageError('illegal virtual server persistent mask specified') : null
  },
  'real-server': server,
  gatewaying: method('gatewaying'),
  ipip: method('ipip'),
  masquerading: method('masquerading'),
  weight: number(0, MAX_INT, 'illegal weight specified', (draft, value) => {
    draft.weight = value
  }),
  'u-threshold': number(0, MAX_INT, 'illegal u_threshold specified', (draft, value) => {
    draft.upperThreshold = value
  }),
  'l-threshold': number(0, MAX_INT, 'illegal l_threshold specified', (draft, value) => {
    draft.lowerThreshold = value
  }),
  'mcast-interface': flag,
  timeout: flag,
  daemon: flag,
  stats: flag,
  rate: flag,
  thresholds: flag,
  'persistent-conn': flag,
  nosort: flag,
  sort: flag,
  syncid: number(0, 255, 'illegal syncid specified'),
  exact: flag,
  ops: flag,
  pe: (draft, argument) => {
    draft.engine = (argument ?? '').slice(0, ENGINE_NAME_MAX_CHARS) || null
    return null
  },
  'sched-flags': (draft, argument) => {
    draft.schedulerFlags = argument ?? ''
    return null
  },
  'mcast-group': (_draft, argument) => {
    const text = argument ?? ''
    const family = text.includes(':') ? 'IPv6' : 'IPv4'
    return parseMulticast(text) === null ? usageError(`invalid ${family} mcast-group \`${text}'`) : null
  },
  'mcast-port': number(1, 65_535, 'illegal mcast-port specified'),
  'mcast-ttl': number(1, 255, 'illegal mcast-ttl specified'),
  'sync-maxlen': number(1, 65_507, 'illegal sync-maxlen specified'),
  'tun-info': flag,
  'tot-stats': flag,
  json: flag,
  'tun-type': (draft, argument) => {
    const type = (Object.keys(TUNNEL_TYPES) as TunnelType[]).find((name) => name === argument)
    if (type === undefined) return usageError('illegal tunnel type specified')
    draft.tunnel.type = type
    return null
  },
  'tun-port': number(1, 65_535, 'illegal tunnel port specified', (draft, value) => {
    draft.tunnel.port = value
  }),
  'tun-nocsum': tunnelChecksum('none'),
  'tun-csum': tunnelChecksum('full'),
  'tun-remcsum': tunnelChecksum('remote'),
}
