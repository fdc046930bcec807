/** What the daemon says of itself, as text for people. Pure. */

import type { Reload, Report, ServiceReport } from '../control/life.ts'
import type { Info } from '../control/schema.ts'

export function formatReload({ changes, needsRestart }: Reload): string {
  const counts = new Map<string, number>()
  for (const { kind } of changes) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const done = [...counts].map(([kind, count]) => `${count} ${kind.replace('-', ' ')}`)
  const lines = [done.length === 0 ? 'nothing has changed' : done.join(', ')]
  if (needsRestart.length > 0) lines.push(`only read at the start: ${needsRestart.join(', ')}`)
  return `${lines.join('\n')}\n`
}

export function formatReport(info: Info, { host, services }: Report): string {
  const { version, pid, uptimeSeconds, connections, connectionLimit } = info
  const lines = [
    `uipvs ${version}, process ${pid}, up ${formatDuration(uptimeSeconds)}`,
    `${connections} connections of at most ${connectionLimit}`,
    ...host,
    ...services.flatMap(linesOf),
  ]
  return `${lines.join('\n')}\n`
}

function linesOf({
  service,
  requests,
  replies,
  queue,
  superPackets,
  why,
  destinations,
}: ServiceReport): string[] {
  const packets = superPackets ? 'super-packets' : 'single packets'
  return [
    '',
    service,
    `  requests: ${requests}, to queue ${queue}`,
    `  replies:  ${replies}`,
    `  packets:  ${packets}; ${why}`,
    ...destinations.map(
      ({ endpoint, method, path, via, mtuBytes }) =>
        `  -> ${endpoint} ${method}: ${path}; ${via === null ? 'NO ROUTE' : `via ${via}, MTU ${mtuBytes}`}`,
    ),
  ]
}

/** `3d 04:05:06`. */
function formatDuration(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const days = Math.floor(seconds / 86_400)
  const time = [(seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(two).join(':')
  return days === 0 ? time : `${days}d ${time}`
}
