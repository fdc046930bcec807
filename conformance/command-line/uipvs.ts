/** Plays scripts with uipvsadm. */

import { type Names, parseServices } from '../../cli/names.ts'
import { uipvsadm } from '../../cli/run.ts'
import type { Control } from '../../control/index.ts'
import { parseAddress } from '../../lib/bytes/address.ts'
import { FIXED_ETC } from '../uml/etc.ts'
import type { Line, Outcome, PlayedScript, Script } from './script.ts'

/** The kernel's timeouts when nobody has set any. */
const DEFAULT_TIMEOUTS = { tcp: 900, tcpFin: 120, udp: 300 }

/** Plays each script on the daemon that `client` speaks to, its table and timeouts being put back before each. */
export async function playOnUipvs(client: Control, scripts: readonly Script[]): Promise<PlayedScript[]> {
  const names = fixedNames()
  const played: PlayedScript[] = []
  for (const script of scripts) {
    await client.flush()
    await client.setTimeouts(DEFAULT_TIMEOUTS)
    const lines = []
    for (const line of script.lines) lines.push({ ...line, ...(await play(line, client, names)) })
    played.push({ name: script.name, lines })
  }
  return played
}

async function play({ argv, stdin = '' }: Line, client: Control, names: Names): Promise<Outcome> {
  const written = { stdout: '', stderr: '' }
  const status = await uipvsadm(argv, {
    stdin: (async function* () {
      yield stdin
    })(),
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    client,
    names,
  })
  return { ...written, status }
}

/** The names of {@link FIXED_ETC}, as the guest's C library finds them. */
function fixedNames(): Names {
  const services = parseServices(FIXED_ETC['services'])
  const hosts = FIXED_ETC['hosts'].split('\n').map((line) => line.split(' '))
  return {
    addressOf: async (name) => {
      const [address] = hosts.find(([, ...names]) => names.includes(name)) ?? []
      return address === undefined ? null : parseAddress(address)
    },
    portOf: async (service, transport) => services.ports.get(`${service}/${transport}`) ?? null,
    services: async () => services.names,
    hosts: async (addresses) =>
      new Map(
        hosts.flatMap(([address = '', name = '']) =>
          addresses.has(address) ? [[address, name] as const] : [],
        ),
      ),
  }
}
