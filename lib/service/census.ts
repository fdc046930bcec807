/** How many services there are of the kinds that a packet need not look for while there are none. */

import type { IpAddress } from '../bytes/address.ts'
import type { VirtualService } from './virtual-service.ts'

const FTP_PORT = 21

export class Census {
  services = 0
  /** On port 0: every port. Firewall marks too. */
  portZero = 0
  ftp = 0
  /** With a persistence engine. */
  engines = 0
  readonly #byAddress = new Map<string, number>()

  count(service: VirtualService, step: 1 | -1): void {
    this.services += step
    if (service.port === 0) this.portZero += step
    if (service.port === FTP_PORT) this.ftp += step
    this.countEngine(service, step)
    if (service.key.kind === 'fwmark') return
    const address = service.key.address.toString()
    const count = (this.#byAddress.get(address) ?? 0) + step
    if (count === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, count)
  }

  /** The service's settings are about to change (-1), or have changed (1). */
  countEngine({ settings }: VirtualService, step: 1 | -1): void {
    if (typeof settings.persistence?.engine === 'string') this.engines += step
  }

  /** Whether a service is known by the address. */
  hasAddress(address: IpAddress): boolean {
    return this.#byAddress.has(address.toString())
  }
}
