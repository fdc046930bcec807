/** Lines as `ipvsadm -S` writes them, read as a whole configuration. */

import type { ConfiguredService, WantedConfiguration } from '../../control/configuration.ts'
import { identityOf } from '../../control/identity.ts'
import type { Timeouts } from '../../control/schema.ts'
import { formatEndpoint, formatServiceKey } from '../../lib/service/key.ts'
import { isRefusal } from '../messages.ts'
import type { Names } from '../names.ts'
import { parse } from '../parse.ts'
import type { Request } from '../request.ts'
import { wordsOf } from '../restore.ts'
import type { FileFlaw, WantedFile } from './wanted.ts'

/** A service, and on which lines it and its real servers are. */
interface Entry {
  readonly line: number
  readonly config: Omit<ConfiguredService, 'destinations'>
  /** By endpoint, in the order of the file. */
  readonly servers: Map<
    string,
    { readonly line: number; readonly config: ConfiguredService['destinations'][number] }
  >
}

/**
 * Reads `-A` and `-a`, `--set`, and `-C`, which forgets what was read before it; nothing else says what there is to be.
 * Empty lines are skipped, and those that begin with `#`.
 */
export async function readSavedConfiguration(text: string, names: Names): Promise<WantedFile | FileFlaw> {
  const draft = new Draft()
  for (const [index, content] of text.split('\n').entries()) {
    const argv = content.trimStart().startsWith('#') ? [] : wordsOf(content)
    if (argv.length === 0) continue
    const request = await parse(argv, names)
    const message = isRefusal(request) ? firstLine(request.text) : draft.take(request, index + 1)
    if (message !== null) return { line: index + 1, message }
  }
  return draft.finished()
}

class Draft {
  readonly #services = new Map<string, Entry>()
  #timeouts: Timeouts | undefined

  /** Takes a line's request in; returns why it cannot. */
  take(request: Request, line: number): string | null {
    switch (request.command) {
      case 'flush':
        this.#services.clear()
        return null
      case 'set':
        this.#timeouts = request.timeouts
        return null
      case 'add-service': {
        const id = formatServiceKey(request.service)
        const former = this.#services.get(id)
        if (former !== undefined) return `${id} is on line ${former.line} already`
        const config = { ...identityOf(request.service), ...request.settings }
        this.#services.set(id, { line, config, servers: new Map() })
        return null
      }
      case 'add-server': {
        const id = formatServiceKey(request.service)
        const entry = this.#services.get(id)
        if (entry === undefined) return `there is no line that adds ${id} before its real server`
        const endpoint = formatEndpoint(request.server)
        const former = entry.servers.get(endpoint)
        if (former !== undefined) return `${endpoint} of ${id} is on line ${former.line} already`
        const { address, port } = request.server
        const config = { address: address.toString(), port, ...request.settings }
        entry.servers.set(endpoint, { line, config })
        return null
      }
      default:
        return `a configuration is written with -A, -a, --set and -C, not ${request.command}`
    }
  }

  finished(): WantedFile {
    const entries = [...this.#services.values()]
    const services = entries.map(({ config, servers }) => ({
      ...config,
      destinations: Array.from(servers.values(), (each) => each.config),
    })) as ConfiguredService[]
    const configuration: WantedConfiguration = {
      services,
      ...(this.#timeouts === undefined ? {} : { timeouts: this.#timeouts }),
    }
    return {
      configuration,
      lineOf([, service, , server]) {
        const entry = entries[Number(service)]
        return [...(entry?.servers.values() ?? [])][Number(server)]?.line ?? entry?.line ?? 1
      },
    }
  }
}

const firstLine = (text: string): string => text.trim().split('\n')[0] as string
