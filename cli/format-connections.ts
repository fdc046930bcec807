/** The listing of connections and that of timeouts. */

import type { Connection, Timeouts } from '../control/index.ts'
import { parseEndpoint, type Transport } from '../lib/service/key.ts'
import { endpointLabel } from './format-name.ts'
import type { Labels } from './names.ts'

/** The connections in the order given. `engineColumns` adds persistence engines and their data, and their headings. */
export function formatConnections(
  connections: readonly Connection[],
  { engineColumns, labels }: { readonly engineColumns: boolean; readonly labels: Labels },
): string {
  const lines = ['IPVS connection entries', engineColumns ? ENGINE_HEADER : HEADER]
  for (const connection of connections) {
    const { protocol, client, virtual, destination, state, expiresSeconds, engine, engineData } = connection
    const transport = TRANSPORTS[protocol] ?? null
    const [from, to, server] = [client, virtual, destination].map((text) => labelOf(text, transport, labels))
    lines.push(
      `${protocol.padEnd(3)} ${minutes(expiresSeconds).padEnd(6)} ${state.padEnd(11)} ` +
        `${from?.padEnd(18)} ${to?.padEnd(18)} ` +
        (engineColumns && engine !== undefined
          ? // The widths are ipvsadm's, and not those of its headings.
            `${server?.padEnd(16)} ${engine.padEnd(18)} ${engineData}`
          : server),
    )
  }
  return `${lines.join('\n')}\n`
}

const HEADER = 'pro expire state       source             virtual            destination'
const ENGINE_HEADER = `${HEADER}        pe name          pe_data`

const TRANSPORTS: Readonly<Record<string, Transport>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' }

/** An endpoint of the API by name; text that is none stays as it is. */
function labelOf(text: string, transport: Transport | null, labels: Labels): string {
  const endpoint = parseEndpoint(text)
  return endpoint === null ? text : endpointLabel(endpoint, transport, labels)
}

const minutes = (seconds: number): string =>
  [Math.floor(seconds / 60), Math.floor(seconds % 60)].map((part) => String(part).padStart(2, '0')).join(':')

/** Every address that a listing of these connections shows. */
export function connectionAddresses(connections: readonly Connection[]): Set<string> {
  const endpoints = connections.flatMap(({ client, virtual, destination }) => [client, virtual, destination])
  return new Set(
    endpoints.map((text) => parseEndpoint(text)?.address.toString()).filter((text) => text !== undefined),
  )
}

/** `Timeout (tcp tcpfin udp): 900 120 300`. */
export const formatTimeouts = ({ tcp, tcpFin, udp }: Timeouts): string =>
  `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}\n`
