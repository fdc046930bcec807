/**
 * Every real server of a scenario: answers each line of a TCP connection, and each datagram, with the address that it was
 * sent to. Prints `ready`. The argument is JSON: { addresses, tcpPorts, udpPorts }.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const { addresses, tcpPorts, udpPorts } = JSON.parse(process.argv[2])

for (const port of tcpPorts) {
  const server = createServer((socket) => {
    // A client that gives up is its own affair.
    socket.on('error', () => socket.destroy())
    socket.on('data', () => socket.write(`${socket.localAddress.replace(/^::ffff:/, '')}\n`))
  })
  await once(server.listen(port, '::'), 'listening')
}
for (const address of addresses) {
  for (const port of udpPorts) {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (_message, peer) => socket.send(address, peer.port, peer.address))
    await once(socket.bind(port, address), 'listening')
  }
}
process.stdout.write('ready\n')
