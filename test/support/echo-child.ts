/**
 * Tells exactly how many datagrams were lost on the way to an address, for the integration tests:
 *
 *     node echo-child.js serve PORT             prints "ready" and answers every datagram until its input ends
 *     node echo-child.js probe ADDRESS PORT     prints "ready", asks one thing after the other until its input
 *                                               ends, then prints `{ sent, lost }`
 *
 * ping cannot tell this: it stops with echoes under way, and busybox's loses some by itself on a busy machine.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const PATIENCE_MS = 2000

const inputEnded = once(process.stdin.resume(), 'end')
const [mode, first, second] = process.argv.slice(2) as [string, string, string]

async function serve(port: number): Promise<void> {
  const socket = createSocket('udp6')
  socket.on('message', (message, sender) => socket.send(message, sender.port, sender.address))
  socket.bind(port, '::', () => process.stdout.write('"ready"\n'))
  await inputEnded
  socket.close()
}

async function probe(address: string, port: number): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  let answered: (text: string) => void = () => undefined
  socket.on('message', (message) => answered(message.toString()))
  let isOver = false
  void inputEnded.then(() => (isOver = true))
  process.stdout.write('"ready"\n')
  let sent = 0
  let lost = 0
  while (!isOver) {
    const question = String(sent++)
    const answer = new Promise<boolean>((resolve) => {
      answered = (text) => text === question && resolve(true)
    })
    // Unconnected, so that every datagram is routed anew; an error is a datagram lost.
    const sending = new Promise<boolean>((resolve) =>
      socket.send(question, port, address, (error) => resolve(error === null)),
    )
    const patience = new AbortController()
    const isHere = await Promise.race([
      sending.then((isSent) => (isSent ? answer : false)),
      pause(PATIENCE_MS, false, { signal: patience.signal }),
    ])
    patience.abort()
    if (!isHere) lost++
  }
  socket.close()
  process.stdout.write(`${JSON.stringify({ sent, lost })}\n`)
}

if (mode === 'serve') await serve(Number(first))
else await probe(first, Number(second))
