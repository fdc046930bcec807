/** A request carried out: asked of the daemon, its answer as text. */

import { type Control, identityOf } from '../control/index.ts'
import { connectionAddresses, formatConnections, formatTimeouts } from './format-connections.ts'
import { addressesOf } from './format-name.ts'
import { formatSaved } from './format-save.ts'
import { formatServices, versionLine } from './format-service.ts'
import { helpText, VERSION_TEXT } from './help.ts'
import { kernelError, NO_DAEMON, type Refusal } from './messages.ts'
import { type Labels, type Names, NUMERIC, namedLabels } from './names.ts'
import type { ListRequest, Request } from './request.ts'
import { sorted } from './sort.ts'

export interface World {
  readonly client: Control
  readonly names: Names
}

/** Text for standard output, often none, or why the request failed. Rejects as the methods of `client` do. */
export async function execute(
  request: Exclude<Request, { command: 'restore' }>,
  { client, names }: World,
): Promise<string | Refusal> {
  switch (request.command) {
    case 'add-service':
      await client.addService({ ...identityOf(request.service), ...request.settings })
      return ''
    case 'edit-service':
      await client.editService(request.service, request.settings)
      return ''
    case 'delete-service':
      await client.deleteService(request.service)
      return ''
    case 'add-server': {
      const { address, port } = request.server
      await client.addDestination(request.service, { address: address.toString(), port, ...request.settings })
      return ''
    }
    case 'edit-server':
      await client.editDestination(request.service, request.server, request.settings)
      return ''
    case 'delete-server':
      await client.deleteDestination(request.service, request.server)
      return ''
    case 'flush':
      await client.flush()
      return ''
    case 'zero':
      await (request.service === null ? client.zeroAll() : client.zeroService(request.service))
      return ''
    case 'set':
      await client.setTimeouts(request.timeouts)
      return ''
    case 'list':
      return list(request, { client, names })
    case 'save': {
      const services = sorted(await client.services())
      return formatSaved(services, await labelsFor(request, addressesOf(services), names))
    }
    case 'stop-daemon':
      // No sync daemon can have been started, but uipvs itself must be there to have none.
      await client.info()
      return kernelError('stop-daemon', NO_DAEMON)
    case 'help':
      return helpText()
    case 'version':
      return VERSION_TEXT
  }
}

async function list(request: ListRequest, { client, names }: World): Promise<string> {
  switch (request.what) {
    case 'timeouts':
      return formatTimeouts(await client.timeouts())
    case 'daemons':
      // As above: there is nothing to print.
      await client.info()
      return ''
    case 'connections': {
      const connections = await client.connections()
      const labels = await labelsFor(request, connectionAddresses(connections), names)
      return formatConnections(connections, { ...request, labels })
    }
    case 'services': {
      const { service } = request
      const heading = service === null ? versionLine(await client.info()) : ''
      const found = service === null ? await client.services() : [await client.service(service)]
      const labels = await labelsFor(request, addressesOf(found), names)
      return heading + formatServices(request.sorted ? sorted(found) : found, { ...request, labels })
    }
  }
}

const labelsFor = async (
  { numeric }: { readonly numeric: boolean },
  addresses: ReadonlySet<string>,
  names: Names,
): Promise<Labels> => (numeric ? NUMERIC : namedLabels(names, addresses))
