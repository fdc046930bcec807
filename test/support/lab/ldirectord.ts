/** ldirectord as Debian packages it, on the laboratory's director, with uipvsadm where it looks for ipvsadm. */

import { chmod, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from './lab.ts'
import { type Program, run } from './process.ts'
import { builtProgram, type Uipvs } from './uipvs.ts'

/** Where ldirectord looks, and nowhere else. */
const IPVSADM = '/usr/sbin/ipvsadm'

/** How long a director may take to be set up by it: it runs ipvsadm some ten times for a service. */
const START_MS = 30_000
const STOP_MS = 20_000

export interface Ldirectord {
  readonly program: Program
  /** Ends it with SIGTERM, upon which it takes its services away. */
  stop(): Promise<number | null>
}

/**
 * Starts it with these settings, and resolves once it has said that it runs. The program is as it is; in the mount
 * namespace that it is started in, a wrapper of ours lies over ipvsadm.
 */
export async function startLdirectord(lab: Lab, uipvs: Uipvs, settings: string): Promise<Ldirectord> {
  const wrapper = join(lab.directory, 'ipvsadm')
  await writeFile(wrapper, `#!${process.execPath}\nimport(${JSON.stringify(builtProgram('uipvsadm'))})\n`)
  await chmod(wrapper, 0o755)
  const file = join(lab.directory, 'ldirectord.cf')
  await writeFile(file, settings)
  // Whoever keeps the mount namespace of 'ip netns exec' open: only what enters it sees the wrapper.
  const keeper = lab.spawn('director', ['sleep', '600'])
  await entered(keeper)
  const inside = ['nsenter', '--target', String(keeper.pid), '--mount', '--net', '--']
  await run([...inside, 'mount', '--bind', wrapper, IPVSADM])
  const program = lab.spawn('director', [...inside, 'ldirectord', file, 'start'], {
    env: { UIPVS_SOCKET: uipvs.socketPath },
  })
  await program.until(
    'is set up',
    () => /Added (?:real|fallback) server|Restored|Quiescent/.test(program.stdout),
    START_MS,
  )
  return {
    program,
    stop: async () => {
      program.kill('SIGTERM')
      const timer = setTimeout(() => program.kill('SIGKILL'), STOP_MS)
      const status = await program.exited.finally(() => clearTimeout(timer))
      await keeper.stop('SIGKILL')
      return status
    },
  }
}

/** Waits until the program itself runs: what came before was not in its namespaces yet. */
async function entered(keeper: Program): Promise<void> {
  const own = await readlink('/proc/self/ns/mnt')
  for (let time = 0; time < 200; time++) {
    const [name, namespace] = await Promise.all([
      readFile(`/proc/${keeper.pid}/comm`, 'utf8'),
      readlink(`/proc/${keeper.pid}/ns/mnt`),
    ])
    if (name === 'sleep\n' && namespace !== own) return
    await sleep(25)
  }
  throw new Error(`the mount namespace for ldirectord is not there: ${keeper.epitaph()}`)
}
