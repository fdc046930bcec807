/**
 * Services as the commands that make them, for `-S`.
 *
 * Deviation from ipvsadm 1.31, which loses thresholds: they are saved where there are any, as options that ipvsadm
 * reads as well.
 */

import { type Destination, endpointOf, keyOf, type Service } from '../control/index.ts'
import type { ServiceKey } from '../lib/service/key.ts'
import { endpointLabel, transportOf } from './format-name.ts'
import { persistenceOptions } from './format-persistence.ts'
import { tunnelOptions } from './format-tunnel.ts'
import type { Labels } from './names.ts'
import { saveSchedulerFlags } from './sched-flags.ts'

/** One `-A` line for each service, followed by an `-a` line for each of its servers, in the order given. */
export function formatSaved(services: readonly Service[], labels: Labels): string {
  const lines: string[] = []
  for (const service of services) {
    const key = keyOf(service)
    const name = optionOf(key, labels)
    lines.push(`-A ${name}${settingsOf(service)}\n`)
    for (const server of service.destinations) {
      const endpoint = endpointLabel(endpointOf(server), transportOf(key), labels)
      lines.push(
        `-a ${name} -r ${endpoint} ${METHODS[server.method]} -w ${server.weight}` +
          `${thresholdsOf(server)}${tunnelOptions(server)}\n`,
      )
    }
  }
  return lines.join('')
}

const TRANSPORT_OPTIONS = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const
const METHODS = { masquerading: '-m', gatewaying: '-g', ipip: '-i' } as const

const optionOf = (key: ServiceKey, labels: Labels): string =>
  key.kind === 'fwmark'
    ? `-f ${key.fwmark}${key.family === 6 ? ' -6' : ''}`
    : `${TRANSPORT_OPTIONS[key.transport]} ${endpointLabel(key, key.transport, labels)}`

function settingsOf(service: Service): string {
  const { scheduler, schedulerFlags } = service
  const flags = schedulerFlags.length === 0 ? '' : ` -b ${saveSchedulerFlags(schedulerFlags, scheduler)}`
  return ` -s ${scheduler}${persistenceOptions(service)}${flags}`
}

/** A lower threshold is never without an upper one. */
const thresholdsOf = ({ upperThreshold, lowerThreshold }: Destination): string =>
  (upperThreshold === 0 ? '' : ` -x ${upperThreshold}`) +
  (lowerThreshold === 0 ? '' : ` -y ${lowerThreshold}`)
