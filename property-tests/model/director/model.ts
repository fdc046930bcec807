/** A director with one service, dull: connections and templates in lists, each with the moment it is due. */

import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { FLAG } from '../../../lib/conn/layout.ts'
import type { Destination } from '../../../lib/service/destination.ts'
import { formatEndpoint } from '../../../lib/service/key.ts'
import type { Stage } from '../../../test/support/stage.ts'

export interface Server {
  readonly at: string
  readonly method: 'masquerading' | 'gatewaying'
  weight: number
  isThere: boolean
}

export interface Template {
  /** The client's address as far as clients are told apart. */
  readonly client: string
  readonly server: Server
  timeoutMs: number
  dueMs: number
  isAssured: boolean
  /** It led to somebody that it must not lead to: it waits for its end. */
  isInvalid: boolean
}

export interface Connection {
  readonly client: Client
  readonly clientPort: number
  readonly virtualPort: number
  readonly server: Server
  readonly template: Template | null
  state: string
  dueMs: number
  /** Ended, but not collected yet. */
  isHidden: boolean
}

export interface Client {
  readonly host: string
  /** Its network. */
  readonly network: string
}

/** The service of a run. */
export interface ServiceKind {
  readonly key: string
  readonly transport: 'tcp' | 'udp'
  /** Where packets are sent to; `host:port` without the port. */
  readonly virtual: string
  /** 0: any port. */
  readonly port: number
  readonly mark: number
  readonly clients: readonly Client[]
  readonly servers: readonly Pick<Server, 'at' | 'method'>[]
  readonly persistence: { readonly timeoutSec: number; readonly isByNetwork: boolean } | null
}

export interface Model {
  readonly kind: ServiceKind
  /** Newest first. */
  pool: Server[]
  templates: Template[]
  connections: Connection[]
  readonly knobs: { expireNodest: boolean; expireQuiescent: boolean; reuseMode: number }
  nowMs: number
}

export interface Real {
  readonly stage: Stage
  /** The server that a scheduler would choose now, by its place among the eligible. */
  readonly choice: { at: number }
  readonly destinations: Map<string, Destination>
}

/** What is ended at once is collected a tick later. */
export const TICK_MS = 100

interface TcpStates {
  readonly active_states: readonly string[]
  readonly timeouts_seconds: Readonly<Record<string, number>>
  readonly tables: {
    readonly normal: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>
  }
}

/** Recorded from a kernel. */
const TCP = JSON.parse(
  readFileSync(new URL('../../../test/vectors/tcp-states.json', import.meta.url), 'utf8'),
) as TcpStates

/** The events in the order in which they are looked for. */
const EVENTS = { rst: 'R', syn: 'S', fin: 'F', ack: 'A' } as const

/** The state after a packet with these flags; of UDP there is one. */
export function nextState(
  { transport }: ServiceKind,
  state: string,
  direction: 'input' | 'output' | 'input_only',
  flags: string,
): string {
  if (transport === 'udp') return 'UDP'
  const event = Object.entries(EVENTS).find(([, letter]) => flags.includes(letter))?.[0]
  return event === undefined ? 'CLOSE' : TCP.tables.normal[direction]![event]![state]!
}

export const timeoutMsOf = (state: string): number =>
  (state === 'UDP' ? 300 : TCP.timeouts_seconds[state]!) * 1000

export const isActive = (state: string): boolean => TCP.active_states.includes(state)

/** As far as the service tells clients apart. */
export const boundClient = ({ persistence }: ServiceKind, { host, network }: Client): string =>
  persistence?.isByNetwork ? network : host

export const isVisible = ({ isHidden }: Connection): boolean => !isHidden

/** A connection comes to its next state, and lives on for its timeout. */
export function follow(model: Model, connection: Connection, direction: 'in' | 'out', flags: string): void {
  const { server, template } = connection
  const isOneWay = server.method === 'gatewaying'
  const table = direction === 'out' ? 'output' : isOneWay ? 'input_only' : 'input'
  connection.state = nextState(model.kind, connection.state, table, flags)
  connection.dueMs = model.nowMs + timeoutMsOf(connection.state)
  const assures = connection.state === 'ESTABLISHED' || (connection.state === 'UDP' && direction === 'out')
  if (template !== null && assures) template.isAssured = true
}

export function expectAgreement(model: Model, { stage, destinations }: Real): void {
  const { kind, nowMs } = model
  const seconds = (dueMs: number) => Math.max(0, Math.floor((dueMs - nowMs) / 1000))
  const expected = [
    ...model.connections
      .filter(isVisible)
      .map(
        ({ client, clientPort, virtualPort, server, state, dueMs }) =>
          `${client.host} ${clientPort} > ${virtualPort} > ${hostOf(server.at)} ${state} ${seconds(dueMs)}`,
      ),
    ...model.templates.map(
      ({ client, server, isInvalid, isAssured, dueMs }) =>
        `template ${client} > ${isInvalid ? 65_535 : kind.port} > ${hostOf(server.at)} ${isAssured ? 'assured' : 'none'} ${seconds(dueMs)}`,
    ),
  ]
  const found = stage.connections.map(
    ({ client, virtual, destination, flags, state, stateName, expiresSeconds }) =>
      flags & FLAG.template
        ? `template ${client.address} > ${virtual.port} > ${destination.address} ${state === 1 ? 'assured' : 'none'} ${expiresSeconds}`
        : `${client.address} ${client.port} > ${virtual.port} > ${destination.address} ${stateName} ${expiresSeconds}`,
  )
  expect(found.sort().join('\n')).toBe(expected.sort().join('\n'))
  expect(stage.director.connections.size).toBe(model.connections.length + model.templates.length)

  const pool = [...stage.director.services].flatMap((service) => service.pool)
  expect(pool.map(formatEndpoint)).toEqual(model.pool.map(({ at }) => at))
  for (const [at, { active, inactive, persistent }] of destinations) {
    const own = model.connections.filter(({ server }) => server.at === at)
    const busy = own.filter(({ state }) => isActive(state)).length
    const bound = model.templates.filter(({ server }) => server.at === at).length
    expect([active, inactive, persistent], at).toEqual([busy, own.length - busy, bound])
  }
}

const hostOf = (at: string): string => at.replace(/:\d+$/, '').replace(/[[\]]/g, '')
