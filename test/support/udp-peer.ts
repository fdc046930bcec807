/**
 * The two ends of a UDP exchange, inside network namespaces, for the integration tests:
 *
 *     node udp-peer.js receive PORT                      prints "ready"; when its input ends, an array of what came
 *     node udp-peer.js send ADDRESS PORT COUNT PAYLOAD   sends COUNT datagrams; a `#` in the payload is the number of each
 */

import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

const RECEIVE_BUFFER_BYTES = 4 << 20

function receive(port: number): void {
  const payloads: string[] = []
  const socket = createSocket({ type: 'udp6', recvBufferSize: RECEIVE_BUFFER_BYTES })
  socket.on('message', (payload) => payloads.push(payload.toString('latin1')))
  socket.bind(port, '::', () => process.stdout.write('"ready"\n'))
  process.stdin
    .on('end', () => process.stdout.write(`${JSON.stringify(payloads)}\n`, () => process.exit(0)))
    .resume()
}

async function send(address: string, port: number, count: number, payload: string): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  // That nobody listens is told to a connected socket, and is no concern of the sender's.
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => socket.connect(port, address, resolve))
  for (let index = 0; index < count; index++) {
    await new Promise((resolve) => socket.send(payload.replace('#', String(index)), resolve))
  }
  socket.close()
}

const [mode, ...rest] = process.argv.slice(2)
if (mode === 'receive') receive(Number(rest[0]))
else await send(rest[0] as string, Number(rest[1]), Number(rest[2]), rest[3] as string)
