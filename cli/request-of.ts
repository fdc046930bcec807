/** The request that a legal command line makes. */

import type { Timeouts } from '../control/index.ts'
import type { DestinationKey, ServiceKey } from '../lib/service/key.ts'
import type { Command, OptionName } from './grammar.ts'
import type { Draft } from './readers.ts'
import type { ListRequest, Request, Table } from './request.ts'
import type { SchedulerFlag } from './sched-flags.ts'

/** A command line, read and judged. */
export interface CommandLine {
  readonly command: Command
  readonly draft: Draft
  readonly options: ReadonlySet<OptionName>
  readonly schedulerFlags: SchedulerFlag[]
  readonly timeouts: Timeouts | null
}

const DEFAULT_SCHEDULER = 'wlc'

/** Builds the request. The legality table has seen to it that whatever a command needs is there. */
export function requestOf(line: CommandLine): Request {
  const { draft, options, schedulerFlags, timeouts } = line
  const service = draft.service as ServiceKey
  const server = draft.server as DestinationKey
  const command = line.command.name
  switch (command) {
    case 'add-service':
    case 'edit-service':
      return {
        command,
        service,
        settings: {
          scheduler: draft.scheduler || DEFAULT_SCHEDULER,
          schedulerFlags,
          persistentSeconds: draft.persistentSeconds,
          netmask: draft.netmask,
          engine: draft.engine,
          onePacket: options.has('ops'),
        },
      }
    case 'delete-service':
      return { command, service }
    case 'add-server':
    case 'edit-server':
      return { command, service, server: { ...server, port: serverPort(draft) }, settings: settingsOf(draft) }
    case 'delete-server':
      return { command, service, server }
    case 'list':
      return listOf(line)
    case 'save':
      return { command, numeric: options.has('numeric') }
    case 'zero':
      return { command, service: draft.service }
    case 'set':
      return { command, timeouts: timeouts as Timeouts }
    default:
      return { command }
  }
}

const settingsOf = ({ method, weight, upperThreshold, lowerThreshold, tunnel }: Draft) => ({
  method,
  weight,
  upperThreshold,
  lowerThreshold,
  tunnel,
})

/**
 * Packets that are not translated reach the server with the port that the client sent them to. So a server that is
 * not masqueraded has the service's port, whatever was written; a firewall mark's service has no port to give.
 */
const serverPort = ({ service, server, method }: Draft): number =>
  service?.kind === 'address' && method !== 'masquerading' ? service.port : (server as DestinationKey).port

/** When several tables are asked for, the first of these is printed. */
const TABLES = ['stats', 'rate', 'thresholds', 'persistent-conn', 'tun-info'] as const satisfies Table[]

/** What is listed instead of the services. */
const SUBJECTS = [
  ['connection', 'connections'],
  ['timeout', 'timeouts'],
  ['daemon', 'daemons'],
  ['tot-stats', 'totals'],
] as const satisfies (readonly [OptionName, ListRequest['what']])[]

function listOf({ draft, options }: CommandLine): ListRequest {
  return {
    command: 'list',
    what: SUBJECTS.find(([option]) => options.has(option))?.[1] ?? 'services',
    service: draft.service,
    table: TABLES.find((table) => options.has(table)) ?? 'plain',
    engineColumns: options.has('persistent-conn'),
    numeric: options.has('numeric'),
    exact: options.has('exact'),
    sorted: !options.has('nosort'),
    json: options.has('json'),
  }
}
