/** The service table, dull: services and destinations as plain values in lists, under their names as text. */

import { expect } from 'vitest'
import type { Destination, DestinationSettings } from '../../../lib/service/destination.ts'
import { formatEndpoint, formatServiceKey, parseEndpoint } from '../../../lib/service/key.ts'
import type { ServiceTable } from '../../../lib/service/service-table.ts'
import { PROTOCOL } from '../../../lib/wire/protocol.ts'

export interface ModelDestination {
  readonly at: string
  settings: DestinationSettings
  /** The real thing: it must stay one and the same, through removal and return. */
  readonly real: Destination
  connections: number
  idleSinceMs: number | null
}

export interface ModelService {
  readonly name: string
  /** Newest first. */
  readonly pool: ModelDestination[]
}

export interface Model {
  readonly services: Map<string, ModelService>
  /** Removed destinations, with the service they were in. */
  trash: { readonly service: string; readonly destination: ModelDestination }[]
  nowMs: number
}

export interface Real {
  readonly table: ServiceTable
}

export const MAX_SERVICES = 4
export const MAX_DESTINATIONS = 5
export const SERVICES = [
  'tcp:10.0.0.1:80',
  'tcp:10.0.0.1:21',
  'tcp:10.0.0.1:0',
  'udp:10.0.0.1:80',
  'tcp:[fd00::1]:80',
  'fwmark:1',
  'fwmark:1:ipv6',
] as const
export const ENDPOINTS = ['192.168.1.1:80', '192.168.1.1:81', '192.168.1.2:80'] as const

/** Every packet worth asking about: mark, protocol, address and port. */
const PACKETS = [0, 1, 2].flatMap((mark) =>
  [PROTOCOL.tcp, PROTOCOL.udp].flatMap((protocol) =>
    ['10.0.0.1', '10.0.0.2', '[fd00::1]'].flatMap((host) =>
      [0, 20, 21, 22, 80, 1023, 1024].map((port) => {
        const { address } = parseEndpoint(`${host}:80`)!
        return { mark, protocol, host, port, address }
      }),
    ),
  ),
)

export const inUse = ({ services, trash }: Model): number =>
  [...services.values()].reduce((sum, { pool }) => sum + pool.length, 0) + trash.length

/** The real table must say the same as the model, to every question there is. */
export function expectAgreement(model: Model, { table }: Real): void {
  expect(table.size).toBe(model.services.size)
  expect([...table].map(({ key }) => formatServiceKey(key)).sort()).toEqual([...model.services.keys()].sort())
  for (const service of table) {
    const expected = model.services.get(formatServiceKey(service.key))!.pool
    expect(service.pool.map(formatEndpoint)).toEqual(expected.map(({ at }) => at))
    for (const [index, { real, settings }] of expected.entries()) {
      expect(service.pool[index] === real && real.service === service && real.isAvailable).toBe(true)
      expect([real.method, real.weight]).toEqual([settings.method, settings.weight])
    }
  }
  for (const { destination } of model.trash) expect(destination.real.isAvailable).toBe(false)
  for (const { real, connections } of everyDestination(model)) {
    expect(table.destination(real.id) === real).toBe(true)
    expect(real.connections).toBe(connections)
  }
  // All at once: an expectation for each packet would take most of the time.
  expect(PACKETS.map((packet) => lookup(table, packet))).toEqual(
    PACKETS.map((packet) => expectedOf(model, packet)),
  )
}

export function everyDestination({ services, trash }: Model): ModelDestination[] {
  return [
    ...[...services.values()].flatMap(({ pool }) => pool),
    ...trash.map(({ destination }) => destination),
  ]
}

type Asked = (typeof PACKETS)[number]

function lookup(table: ServiceTable, packet: Asked): string {
  const { mark, protocol, port } = packet
  const { family, w0, w1, w2, w3 } = packet.address
  const found = table.lookup(family, mark, protocol, w0, w1, w2, w3, port)
  return `${nameOf(packet)}: ${found === null ? 'none' : formatServiceKey(found.key)}`
}

function expectedOf({ services }: Model, packet: Asked): string {
  const { mark, protocol, host, port, address } = packet
  const transport = protocol === PROTOCOL.tcp ? 'tcp' : 'udp'
  const candidates = [
    mark === 0 ? '' : `fwmark:${mark}${address.family === 6 ? ':ipv6' : ''}`,
    `${transport}:${host}:${port}`,
    transport === 'tcp' && (port === 20 || port >= 1024) ? `tcp:${host}:21` : '',
    `${transport}:${host}:0`,
  ]
  return `${nameOf(packet)}: ${candidates.find((name) => services.has(name)) ?? 'none'}`
}

const nameOf = ({ mark, protocol, host, port }: Asked): string => `mark ${mark} ${protocol} ${host}:${port}`
