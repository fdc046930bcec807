/** A service and its scheduler, dull: servers as plain values, and a rule for each scheduler as its definition has it. */

import { expect } from 'vitest'
import type { IpAddress } from '../../../lib/bytes/address.ts'
import type { Destination } from '../../../lib/service/destination.ts'
import { formatEndpoint } from '../../../lib/service/key.ts'
import type { Flow } from '../../../lib/service/scheduler.ts'
import type { ServiceTable } from '../../../lib/service/service-table.ts'
import type { VirtualService } from '../../../lib/service/virtual-service.ts'

export interface Server {
  readonly at: string
  readonly address: IpAddress
  readonly port: number
  weight: number
  /** The last weight that was not 0; of a server that was added, the one it was added with. */
  lastWeight: number
  active: number
  inactive: number
  upper: number
  lower: number
  isOverloaded: boolean
  isThere: boolean
}

/** What a scheduler may know of the packet that starts a connection. */
export interface Asked {
  readonly protocol: number
  readonly client: IpAddress
  readonly clientPort: number
  readonly virtual: IpAddress
}

/** How a scheduler is defined. */
export interface Rule {
  pick(pool: readonly Server[], asked: Asked, how: Circumstances): Server | null
  /** A server joined at the front, changed its weight, or left; `pool` is as it is now, `index` where it is or was. */
  changed?(pool: readonly Server[], kind: 'added' | 'edited' | 'removed', index: number): void
  /** A minute is over. */
  minuteOver?(nowMs: number): void
}

export interface Circumstances {
  readonly nowMs: number
  readonly hasFallback: boolean
  readonly hashesPort: boolean
  /** What chance gives, each in [0, 1). */
  readonly draws: readonly [number, number]
}

export interface Model {
  /** Newest first. */
  readonly pool: Server[]
  /** Removed; their connections are still counted, and they come back with them. */
  readonly away: Server[]
  readonly rule: Rule
  flags: number
  nowMs: number
}

export interface Real {
  readonly table: ServiceTable
  readonly service: VirtualService
  /** Every server there has been. */
  readonly destinations: Map<string, Destination>
  /** What the next calls for a random number are given. */
  readonly draws: number[]
}

export const FLAG = { fallback: 0x08, port: 0x10 } as const

export const circumstances = ({ flags, nowMs }: Model, draws: readonly [number, number]): Circumstances => ({
  nowMs,
  hasFallback: (flags & FLAG.fallback) !== 0,
  hashesPort: (flags & FLAG.port) !== 0,
  draws,
})

/** May take a new connection. */
export const isEligible = ({ weight, isOverloaded }: Server): boolean => weight > 0 && !isOverloaded

export const loadOf = ({ active, inactive }: Server): number => active * 256 + inactive

export const everyServer = ({ pool, away }: Model): Server[] => [...pool, ...away]

/** A connection was bound: at its upper threshold a server is overloaded. */
export function bind(server: Server): void {
  server.inactive++
  if (server.upper !== 0 && server.active + server.inactive >= server.upper) server.isOverloaded = true
}

/** A connection ended: a server is overloaded until it is below its lower threshold, or three quarters of the upper. */
export function unbind(server: Server, isInactive: boolean): void {
  if (isInactive) server.inactive--
  else server.active--
  const { active, inactive, upper, lower } = server
  const limit = lower !== 0 ? lower : upper !== 0 ? (upper * 3) / 4 : Number.POSITIVE_INFINITY
  if (active + inactive < limit) server.isOverloaded = false
}

/** The settings of a command: a threshold that is lifted, or taken away, ends the overload. */
export function set(server: Server, weight: number, upper: number, lower: number): void {
  if (upper === 0 || upper > server.upper) server.isOverloaded = false
  Object.assign(server, { weight, upper, lower })
}

export const flowOf = ({ protocol, client, clientPort, virtual }: Asked, nowMs: number): Flow => ({
  protocol,
  clientW0: client.w0,
  clientW1: client.w1,
  clientW2: client.w2,
  clientW3: client.w3,
  clientPort,
  virtualW0: virtual.w0,
  virtualW1: virtual.w1,
  virtualW2: virtual.w2,
  virtualW3: virtual.w3,
  virtualPort: 80,
  nowMs,
})

/** As text: comparing objects would take most of the time. */
export function expectAgreement({ pool }: Model, { service }: Real): void {
  const found = service.pool.map((each) => describe(formatEndpoint(each), each))
  const expected = pool.map((each) => describe(each.at, each))
  expect(found.join('\n')).toBe(expected.join('\n'))
}

type Described = Pick<Server, 'active' | 'inactive' | 'weight' | 'lastWeight' | 'isOverloaded'>

const describe = (at: string, { active, inactive, weight, lastWeight, isOverloaded }: Described): string =>
  `${at} active ${active} inactive ${inactive} weight ${weight} last ${lastWeight}${isOverloaded ? ' overloaded' : ''}`
