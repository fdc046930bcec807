/** A request carried out: asked of the daemon, its answer as text. */

import { type Control, identityOf } from '../control/index.ts'
import { addressesOf } from './format-name.ts'
import { formatSaved } from './format-save.ts'
import { helpText, VERSION_TEXT } from './help.ts'
import { list } from './list.ts'
import { kernelError, NO_SYNC, type Refusal } from './messages.ts'
import { labelsFor, type Names } from './names.ts'
import type { Request } from './request.ts'
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
      return formatSaved(services, await labelsFor(names, addressesOf(services), request))
    }
    case 'start-daemon':
    case 'stop-daemon':
      // uipvs has no sync daemons, but must be there itself to have none.
      await client.info()
      return kernelError(request.command, NO_SYNC[request.command])
    case 'help':
      return helpText()
    case 'version':
      return VERSION_TEXT
  }
}
