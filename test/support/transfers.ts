/** Large transfers through a laboratory, held against their SHA-256: nginx's page down, and up into `sha256sum`. */

import { createHash, randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { endpoint, type Host } from './lab/addresses.ts'
import type { Lab } from './lab/lab.ts'
import { listening } from './lab/listening.ts'

/** Longest time for one transfer: many times what one needs, and short enough to tell a stall. */
const TRANSFER_MS = 20_000

/** Random octets as text, so that no octet can be mistaken for another one of the same transfer. */
export const randomText = (bytes: number): string =>
  randomBytes(Math.ceil((bytes * 3) / 4))
    .toString('base64')
    .slice(0, bytes)

export const sha256 = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex')

/** On all addresses of the host: answers whatever is sent on a TCP connection, up to its FIN, with its SHA-256. */
export async function startSums(lab: Lab, host: Host, port: number): Promise<void> {
  const listen = `TCP6-LISTEN:${port},ipv6only=0,reuseaddr,fork,backlog=128,max-children=64`
  await listening(lab.spawn(host, ['socat', listen, 'EXEC:sha256sum']), { protocol: 'tcp', port })
}

/** Sends `content` to a server of {@link startSums} and returns the sum that came back. Throws when none did. */
export async function upload(
  lab: Lab,
  host: Host,
  { address, port, content }: { address: string; port: number; content: string },
): Promise<string> {
  const target = `TCP${address.includes(':') ? 6 : 4}:${endpoint(address, port)},connect-timeout=3`
  const { stdout } = await lab.exec(host, ['socat', '-t', '20', 'STDIO', target], {
    input: content,
    timeoutMs: TRANSFER_MS,
  })
  return stdout.split(' ')[0] as string
}

/** Downloads a page with curl and returns the sum of what came. Throws where anything but a 200 came. */
export async function download(lab: Lab, host: Host, url: string): Promise<string> {
  const file = join(lab.directory, `download-${randomBytes(6).toString('hex')}`)
  const answer = await lab.curl(host, url, { timeoutMs: TRANSFER_MS, argv: ['--output', file] })
  if (answer.status !== 200 || answer.exitCode !== 0) {
    throw new Error(`GET ${url}: status ${answer.status}, curl's exit code ${answer.exitCode}`)
  }
  const sum = sha256(await readFile(file))
  await rm(file)
  return sum
}
