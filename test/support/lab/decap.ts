/** IP-in-IP on a real server, for kernels without the ipip devices: a raw socket and a tun device (`decap.c`). */

import type { Host } from './addresses.ts'
import { compile } from './compile.ts'
import type { Lab } from './lab.ts'
import type { Program } from './process.ts'

/** The device through which the inner packets arrive; it goes away with the program. */
export const DECAPSULATION_DEVICE = 'decap'

/** See {@link Lab.decapsulate}. Resolves when packets can come. */
export async function startDecapsulation(lab: Lab, host: Host): Promise<Program> {
  const binary = await compile('test/support/lab/decap.c')
  const program = lab.spawn(host, [binary, DECAPSULATION_DEVICE])
  await program.until('ready', () => program.stdout.includes('ready\n'))
  return program
}
