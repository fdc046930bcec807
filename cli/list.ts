/** What `-L` lists: each subject asked of the daemon, and told as text or as the control API's JSON. */

import type { Control } from '../control/index.ts'
import { connectionAddresses, formatConnections, formatTimeouts } from './format-connections.ts'
import { addressesOf } from './format-name.ts'
import { formatServices, versionLine } from './format-service.ts'
import { formatTotals } from './format-totals.ts'
import { labelsFor, type Names } from './names.ts'
import type { ListRequest } from './request.ts'
import { sorted } from './sort.ts'

interface World {
  readonly client: Control
  readonly names: Names
}

interface Listing {
  /** For `--json`. */
  readonly data: unknown
  text(): string | Promise<string>
}

/** The listing's text, which may be empty. Rejects as the methods of `client` do. */
export async function list(request: ListRequest, world: World): Promise<string> {
  const listing = await SUBJECTS[request.what](request, world)
  return request.json ? `${JSON.stringify(listing.data, null, 2)}\n` : await listing.text()
}

const SUBJECTS: Readonly<
  Record<ListRequest['what'], (request: ListRequest, world: World) => Promise<Listing>>
> = {
  services: listServices,
  async connections(request, { client, names }) {
    const connections = await client.connections()
    return {
      data: { connections },
      text: async () => {
        const labels = await labelsFor(names, connectionAddresses(connections), request)
        return formatConnections(connections, { ...request, labels })
      },
    }
  },
  async timeouts(_request, { client }) {
    const timeouts = await client.timeouts()
    return { data: timeouts, text: () => formatTimeouts(timeouts) }
  },
  async daemons(_request, { client }) {
    // uipvs has no sync daemons, but must be there itself to have none.
    await client.info()
    return { data: { daemons: [] }, text: () => '' }
  },
  async totals(_request, { client }) {
    const { totals, rates } = await client.info()
    return { data: { counters: totals, rates }, text: () => formatTotals({ totals, rates }, 10) }
  },
}

async function listServices(request: ListRequest, { client, names }: World): Promise<Listing> {
  const found = request.service === null ? await client.services() : [await client.service(request.service)]
  const services = request.sorted ? sorted(found) : found
  return {
    data: request.service === null ? { services } : services[0],
    text: async () => {
      const heading = request.service === null ? versionLine(await client.info()) : ''
      const labels = await labelsFor(names, addressesOf(services), request)
      return heading + formatServices(services, { ...request, labels })
    },
  }
}
