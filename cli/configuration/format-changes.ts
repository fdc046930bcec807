/** What is different between two configurations, for people: a line each. */

import type { Change } from '../../control/configuration.ts'
import { DestinationSettings, type Service, ServiceSettings } from '../../control/schema.ts'

/** How many live connections a change touches, persistence templates apart. Null where it touches no traffic. */
export interface Touched {
  readonly connections: number
  readonly templates: number
}

/** Counts what is bound to the real server that a change is about, or to all of its service's. */
export function touchedBy(change: Change, services: ReadonlyMap<string, Service>): Touched | null {
  if (!('service' in change)) return null
  const servers = services.get(change.service)?.destinations ?? []
  const concerned = 'endpoint' in change ? servers.filter((each) => isAt(each, change.endpoint)) : servers
  return concerned.reduce(
    (sum, each) => ({
      connections: sum.connections + each.activeConnections + each.inactiveConnections,
      templates: sum.templates + each.persistentConnections,
    }),
    { connections: 0, templates: 0 },
  )
}

const isAt = ({ address, port }: { address: string; port: number }, endpoint: string): boolean =>
  (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`) === endpoint

/** `~ tcp:10.0.0.1:80 192.168.1.1:80: weight 5 -> 0 (12 connections, 1 template)` */
export function formatChange(change: Change, touched: Touched | null): string {
  const subject = 'service' in change ? ` ${change.service}` : ''
  const server = 'endpoint' in change ? ` ${change.endpoint}` : ''
  return `${signOf(change)}${subject}${server}${detailOf(change)}${formatTouched(touched)}\n`
}

const signOf = ({ kind }: Change): string =>
  kind.endsWith('-added') ? '+' : kind.endsWith('-removed') ? '-' : '~'

function detailOf(change: Change): string {
  switch (change.kind) {
    case 'service-removed':
    case 'destination-removed':
      return ''
    case 'service-added':
      return `: ${['scheduler', change.after.scheduler, ...unlike(change.after, SERVICE_DEFAULTS)].join(' ')}`
    case 'destination-added':
      return `: ${[change.after.method, ...unlike(change.after, SERVER_DEFAULTS)].join(' ')}`
    case 'service-edited':
    case 'destination-edited':
      return `: ${edits(change.before, change.after)}`
    case 'timeouts-changed':
      return ` timeouts: ${edits(change.before, change.after)}`
    case 'knob-changed':
      return ` knob ${change.knob}: ${change.before} -> ${change.after}`
  }
}

/** What is always told, or by other words, is not among them. */
const { scheduler: _scheduler, ...SERVICE_DEFAULTS } = ServiceSettings.parse({})
const { method: _method, ...SERVER_DEFAULTS } = DestinationSettings.parse({})

/** Settings that are not what they are without being said, `weight 5`. */
const unlike = (settings: object, defaults: object): string[] =>
  Object.entries(defaults).flatMap(([name, usual]) => {
    const value = settings[name as never] as unknown
    return show(value) === show(usual) ? [] : [`${name} ${show(value)}`]
  })

const edits = (before: object, after: object): string =>
  Object.entries(after)
    .map(([name, value]) => [name, show(before[name as never]), show(value)] as const)
    .filter(([, was, is]) => was !== is)
    .map(([name, was, is]) => `${name} ${was} -> ${is}`)
    .join(', ')

/** A setting's value in a word: a tunnel as `gue port 6080 checksum full`. */
function show(value: unknown): string {
  if (value === null) return 'none'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(',')
  if (typeof value !== 'object') return String(value)
  return Object.entries(value)
    .map(([name, inner]) => (name === 'type' ? String(inner) : `${name} ${String(inner)}`))
    .join(' ')
}

function formatTouched(touched: Touched | null): string {
  if (touched === null) return ''
  const { connections, templates } = touched
  const parts = [
    ...(connections === 0 ? [] : [counted(connections, 'connection')]),
    ...(templates === 0 ? [] : [counted(templates, 'template')]),
  ]
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

/** `1 change`, `2 changes` */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
