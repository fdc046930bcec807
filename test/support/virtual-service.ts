/** A virtual service of a running daemon, and the laboratory's real servers in it, by their names. */

import type * as z from 'zod'
import type { ControlClient } from '../../control/client.ts'
import { endpointOf, keyOf, type ServiceIdentity } from '../../control/identity.ts'
import type { Destination, DestinationSettings, Service, ServiceSettings } from '../../control/schema.ts'
import { endpoint, type RealServer, realServerAddresses } from './lab/addresses.ts'
import type { Family } from './ways.ts'

export interface VirtualServiceOptions {
  readonly identity: ServiceIdentity
  readonly scheduler: string
  /** Real servers' port. */
  readonly serverPort: number
  /** Settings of each real server; masquerading unless said. The pool's order is the reverse, as IPVS has it. */
  readonly servers?: Readonly<Partial<Record<RealServer, z.input<typeof DestinationSettings>>>>
}

export class VirtualService {
  readonly #control: ControlClient
  readonly options: VirtualServiceOptions

  private constructor(control: ControlClient, options: VirtualServiceOptions) {
    this.#control = control
    this.options = options
  }

  static async create(control: ControlClient, options: VirtualServiceOptions): Promise<VirtualService> {
    const { identity, scheduler, servers = {} } = options
    await control.addService({ ...identity, scheduler })
    const service = new VirtualService(control, options)
    for (const [server, settings] of Object.entries(servers))
      await service.add(server as RealServer, settings)
    return service
  }

  /** `address:port`, for URLs. */
  get endpoint(): string {
    const { identity } = this.options
    if ('fwmark' in identity) throw new Error(`firewall mark ${identity.fwmark} has no endpoint`)
    return endpoint(identity.address, identity.port)
  }

  get url(): string {
    return `http://${this.endpoint}/`
  }

  async add(server: RealServer, settings: z.input<typeof DestinationSettings> = {}): Promise<void> {
    await this.#control.addDestination(this.#key, {
      ...this.#at(server),
      method: 'masquerading',
      ...settings,
    })
  }

  async edit(server: RealServer, settings: z.input<typeof DestinationSettings>): Promise<void> {
    const whole = { method: 'masquerading', ...settings } as const
    await this.#control.editDestination(this.#key, endpointOf(this.#at(server)), whole)
  }

  async remove(server: RealServer): Promise<void> {
    await this.#control.deleteDestination(this.#key, endpointOf(this.#at(server)))
  }

  async change(settings: z.input<typeof ServiceSettings>): Promise<void> {
    await this.#control.editService(this.#key, settings)
  }

  async delete(): Promise<void> {
    await this.#control.deleteService(this.#key)
  }

  show(): Promise<Service> {
    return this.#control.service(this.#key)
  }

  async showServer(server: RealServer): Promise<Destination> {
    const { address, port } = this.#at(server)
    const { destinations } = await this.show()
    const found = destinations.find((each) => each.address === address && each.port === port)
    if (found === undefined) throw new Error(`${server} is not in the service`)
    return found
  }

  get #key() {
    return keyOf(this.options.identity)
  }

  #at(server: RealServer): { address: string; port: number } {
    const { identity, serverPort } = this.options
    const isIpv6 = 'fwmark' in identity ? identity.family === 'ipv6' : identity.address.includes(':')
    const family: Family = isIpv6 ? 'v6' : 'v4'
    return { address: realServerAddresses(server).back[family], port: serverPort }
  }
}
