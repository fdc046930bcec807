/** `uipvs run --check`: a configuration file examined as the start would, and what the start would do; nothing is touched. */

import { difference } from '../../control/difference.ts'

import { checkTimeouts } from '../administration.ts'
import { arrange, ruleOptions } from '../arrangement.ts'
import { registryAfter } from '../changes.ts'
import { type DaemonConfig, readConfig, UsageError } from '../config.ts'
import { planRules } from '../host/rules.ts'
import { NOTHING_LINGERS } from '../lingering.ts'
import { type Registry, wantedState } from '../registry.ts'
import { rehearse } from '../rehearsal.ts'
import { lineOf, reportOfService } from './report.ts'

/**
 * What a start with this file would do, as text.
 * @throws {UsageError} naming the file, and the value in it that is refused
 */
export function checkConfiguration(configPath: string | undefined): string {
  const config = readConfig(configPath)
  try {
    checkTimeouts(config.timeouts, ['timeouts'])
    rehearse(config.services)
  } catch (error) {
    const reason = (error as Error).message
    throw new UsageError(`the configuration file ${configPath} cannot be put in force: ${reason}`, {
      cause: error,
    })
  }
  return `${describe(config).join('\n')}\n`
}

function describe(config: DaemonConfig): string[] {
  const arrangement = arrange(config)
  const registry = registryOf(config)
  const services = [...registry.values()].map((service) =>
    lineOf(reportOfService(service, arrangement, config.egressDriver)),
  )
  const { services: redirected } = wantedState(registry, NOTHING_LINGERS, arrangement)
  const { ipv4, ipv6 } = planRules(redirected, ruleOptions(config))
  const rules = (family: string, text: string) =>
    /^-A /m.test(text) ? ['', `rules for ${family}, as ${family}-restore reads them:`, text.trimEnd()] : []
  return [
    'the configuration is in order',
    `queues ${arrangement.superQueue} and ${arrangement.plainQueue} by the driver ${config.queueDriver}, ` +
      `direct routing by the driver ${config.egressDriver}, at most ${config.connectionLimit} connections`,
    ...services,
    ...rules('iptables', ipv4),
    ...rules('ip6tables', ipv6),
  ]
}

/** As it would be, before any route has been looked up. */
function registryOf({ services, timeouts }: DaemonConfig): Registry {
  const nothing = { services: [], timeouts, knobs: {} }
  return registryAfter(new Map(), difference(nothing, { services }), () => null)
}
