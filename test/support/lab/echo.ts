/** socat as a server that says who answered: `<host>:` before whatever was sent. */

import { type Host, realServerAddresses, VIP } from './addresses.ts'
import type { Lab } from './lab.ts'
import { listening } from './listening.ts'

export interface EchoOptions {
  /** The addresses to answer on; default a real server's own back addresses and every VIP of the laboratory. */
  readonly addresses?: readonly string[]
}

/** Connections that one echo server holds at a time. */
const CONNECTIONS_MAX = 256

/** See {@link Lab.udpEcho}. One socket an address, because an answer from a wildcard socket would leave from any. */
export async function startUdpEcho(
  lab: Lab,
  host: Host,
  port: number,
  options: EchoOptions = {},
): Promise<void> {
  const addresses = options.addresses ?? defaultAddresses(lab, host)
  const programs = addresses.map((address) => {
    const family = address.includes(':') ? 6 : 4
    const bind = family === 6 ? `[${address}]` : address
    const listen = `UDP${family}-RECVFROM:${port},bind=${bind},fork`
    return lab.spawn(host, ['socat', listen, answerFrom(host)])
  })
  await Promise.all(
    programs.map((program) => listening(program, { protocol: 'udp', port, count: programs.length })),
  )
}

/** See {@link Lab.tcpEcho}. */
export async function startTcpEcho(lab: Lab, host: Host, port: number): Promise<void> {
  const listen = `TCP6-LISTEN:${port},ipv6only=0,reuseaddr,fork,backlog=128,max-children=${CONNECTIONS_MAX}`
  await listening(lab.spawn(host, ['socat', listen, answerFrom(host)]), { protocol: 'tcp', port })
}

const answerFrom = (host: Host): string => `EXEC:sed -u s/^/${host}\\:/`

function defaultAddresses(lab: Lab, host: Host): string[] {
  if (host === 'client' || host === 'director' || host === 'lan') {
    throw new RangeError(`an echo server on ${host} needs the addresses to answer on`)
  }
  const { back } = realServerAddresses(host)
  return [back, ...lab.topology.vips.map((kind) => VIP[kind])].flatMap(({ v4, v6 }) => [v4, v6])
}
