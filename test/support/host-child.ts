/**
 * A process that drives `Host` inside a network namespace for the integration tests: one JSON request a line on
 * standard input, one JSON answer a line on standard output.
 *
 * | request                        | answer                                                  |
 * |--------------------------------|---------------------------------------------------------|
 * | `{ do: 'open', journalPath }`  | `{ repaired }`                                          |
 * | `{ do: 'agree', ...ChildState }` | `{}`                                                  |
 * | `{ do: 'resolve', address }`   | `{ hop }`                                               |
 * | `{ do: 'close' }`              | `{}`                                                    |
 * | `{ do: 'prefer', directory }`  | `{}`: programs are looked for there first               |
 * | `{ do: 'hide', program }`      | `{}`: this process can no longer run that program        |
 *
 * What fails answers `{ error }`. The process ends with its input.
 */

import { createInterface } from 'node:readline'
import { runCommand } from '../../forwarder/host/command.ts'
import { Host } from '../../forwarder/host/host.ts'
import { resolveHop } from '../../forwarder/host/iproute.ts'
import type { RoutedHop } from '../../forwarder/host/routing.ts'
import type { RedirectedService } from '../../forwarder/host/rules.ts'
import type { SysctlNeeds } from '../../forwarder/host/sysctls.ts'
import type { Transport } from '../../lib/service/key.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'

/** A wanted state as JSON: service keys and endpoints are text. */
export interface ChildState {
  readonly services: readonly {
    readonly key: string
    readonly queueNumber: number
    readonly replies: readonly { readonly endpoint: string; readonly transport: Transport | 'any' }[]
  }[]
  readonly hops: readonly RoutedHop[]
  readonly sysctls: SysctlNeeds
}

export type ChildRequest =
  | { readonly do: 'open'; readonly journalPath: string }
  | ({ readonly do: 'agree' } & ChildState)
  | { readonly do: 'resolve'; readonly address: string }
  | { readonly do: 'close' }
  | { readonly do: 'prefer'; readonly directory: string }
  | { readonly do: 'hide'; readonly program: string }

let host: Host | null = null

async function answer(request: ChildRequest): Promise<object> {
  if (request.do === 'open') {
    host = await Host.open({ journalPath: request.journalPath })
    return { repaired: host.repaired }
  }
  if (request.do === 'prefer') {
    const { PATH } = process.env
    Object.assign(process.env, { PATH: `${request.directory}:${PATH}` })
    return {}
  }
  if (request.do === 'hide') {
    // `ip netns exec` has given this process mounts of its own.
    await runCommand('mount', ['--bind', '/dev/null', request.program])
    return {}
  }
  if (request.do === 'resolve') return { hop: await resolveHop(request.address) }
  if (host === null) throw new Error('the host is not open')
  if (request.do === 'close') await host.close()
  else await host.agree({ ...request, services: request.services.map(readService) })
  return {}
}

function readService({ key, queueNumber, replies }: ChildState['services'][number]): RedirectedService {
  const replySources = replies.map(({ endpoint, transport }) => ({
    ...known(parseEndpoint(endpoint)),
    transport,
  }))
  return { key: known(parseServiceKey(key)), queueNumber, replySources }
}

function known<Value>(value: Value | null): Value {
  if (value === null) throw new Error('the test asked for something that is no service or endpoint')
  return value
}

for await (const line of createInterface({ input: process.stdin })) {
  const reply = await answer(JSON.parse(line) as ChildRequest).catch((error: Error) => ({
    error: error.message,
  }))
  process.stdout.write(`${JSON.stringify(reply)}\n`)
}
