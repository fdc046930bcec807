/** What the service table refuses, and how it says so: each a function of what was asked. */

import { IpAddress } from '../bytes/address.ts'
import type { DestinationSettings } from './destination.ts'
import {
  type DestinationKey,
  formatEndpoint,
  formatServiceKey,
  type ServiceKey,
  serviceFamily,
} from './key.ts'
import { type Refusal, refuse } from './refusal.ts'
import type { ServiceSettings } from './virtual-service.ts'

/** 31 days, as ipvsadm bounds it. */
const PERSISTENCE_MAX_SEC = 2_678_400

export const noSuchService = (key: ServiceKey): Refusal =>
  refuse('no-such-service', `there is no service ${formatServiceKey(key)}`)

export const noSuchDestination = (key: ServiceKey, at: DestinationKey): Refusal =>
  refuse('no-such-destination', `${formatServiceKey(key)} has no destination ${formatEndpoint(at)}`)

/** What IPVS refuses of a destination on add and edit, in its order; null when nothing. */
export function destinationFlaw(
  key: ServiceKey,
  at: DestinationKey,
  settings: DestinationSettings,
): Refusal | null {
  const family = serviceFamily(key)
  if (at.address.family !== family && settings.method !== 'ipip') {
    return refuse(
      'invalid-value',
      `${at.address} is not IPv${family}: only ipip can lead to the other family`,
    )
  }
  if (settings.weight < 0) return refuse('out-of-range', `weight ${settings.weight} is below 0`)
  if (settings.lowerThreshold > settings.upperThreshold) {
    const { lowerThreshold, upperThreshold } = settings
    return refuse(
      'out-of-range',
      `lower threshold ${lowerThreshold} is above the upper threshold ${upperThreshold}`,
    )
  }
  if (settings.tunnel?.type === 'gue' && settings.tunnel.port === 0) {
    return refuse('invalid-value', 'a gue tunnel needs a port of 1 to 65535, not 0')
  }
  if (settings.fullNat === true && settings.method !== 'masquerading') {
    return refuse('invalid-value', `full NAT is a way of masquerading, not of ${settings.method}`)
  }
  return null
}

/**
 * Whether the kernel counts the address as unicast: of IPv4 it knows class E (240.0.0.0/4) as such, but not IPv4 addresses
 * mapped into IPv6. Broadcast addresses of subnets, and local addresses, are for the caller to judge.
 */
export function isUnicast(address: IpAddress): boolean {
  const { family, w0, w1, w2 } = address
  if (family === 4) return w0 !== 0 && w0 !== -1 && w0 >>> 28 !== 0xe
  const isUnspecified = address.equals(new IpAddress(6, 0, 0, 0, 0))
  const isMapped = w0 === 0 && w1 === 0 && w2 === 0xffff
  const isMulticast = w0 >>> 24 === 0xff
  const isLinkLocal = w0 >>> 22 === 0xfe80 >>> 6
  return !(isUnspecified || isMapped || isMulticast || isLinkLocal)
}

/** What is refused of a service's persistence, `engines` being those there are; null when nothing. */
export function persistenceFlaw(
  key: ServiceKey,
  { persistence }: ServiceSettings,
  engines: readonly string[],
): Refusal | null {
  if (persistence === undefined || persistence === null) return null
  const { engine, granularity, timeoutSec } = persistence
  if (engine !== null && !engines.includes(engine)) {
    const known = engines.join(' ')
    return refuse('engine-not-found', `persistence engine '${engine}' is not one of: ${known}`)
  }
  if (serviceFamily(key) === 6 && !(granularity >= 1 && granularity <= 128)) {
    return refuse('invalid-value', `prefix length ${granularity} is not between 1 and 128`)
  }
  if (!(timeoutSec >= 0 && timeoutSec <= PERSISTENCE_MAX_SEC)) {
    return refuse(
      'invalid-value',
      `persistence timeout ${timeoutSec} is not between 0 and ${PERSISTENCE_MAX_SEC}`,
    )
  }
  return null
}
