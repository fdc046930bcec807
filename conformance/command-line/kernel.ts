/** Plays scripts with the real ipvsadm on the real kernel, in user-mode-linux. */

import type { Uml } from '../uml/uml.ts'
import { INTERFACE_ADDRESSES, type PlayedScript, type Script } from './script.ts'

const SCRIPT_MS = 120_000

/** Plays each script in a network namespace of its own: its table is empty, its timeouts are the kernel's. */
export async function playOnKernel(uml: Uml, scripts: readonly Script[]): Promise<PlayedScript[]> {
  const played: PlayedScript[] = []
  for (const [index, { name, lines }] of scripts.entries()) {
    const namespace = `script-${index}`
    await furnish(uml, namespace)
    const steps = lines.map(({ argv, stdin }) => ({
      argv: ['ipvsadm', ...argv],
      ...(stdin === undefined ? {} : { stdin }),
    }))
    const outcomes = await uml.runAll(steps, { namespace, timeoutMs: SCRIPT_MS })
    await uml.run(['ip', 'netns', 'delete', namespace])
    played.push({ name, lines: lines.map((line, at) => ({ ...line, ...outcomes[at]! })) })
  }
  return played
}

async function furnish(uml: Uml, namespace: string): Promise<void> {
  const inside = (...words: readonly string[]) => ({ argv: ['ip', '-n', namespace, ...words] })
  const results = await uml.runAll([
    { argv: ['ip', 'netns', 'add', namespace] },
    inside('link', 'set', 'lo', 'up'),
    inside('link', 'add', 'ports', 'type', 'dummy'),
    inside('link', 'set', 'ports', 'up'),
    ...INTERFACE_ADDRESSES.map((address) =>
      inside('address', 'add', address, 'dev', 'ports', ...(address.includes(':') ? ['nodad'] : [])),
    ),
  ])
  const failed = results.find(({ status }) => status !== 0)
  if (failed !== undefined) throw new Error(`a namespace in user-mode-linux: ${failed.stderr}`)
}
