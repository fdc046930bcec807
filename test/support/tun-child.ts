/**
 * A process that tries a tun device of its own, in whatever network namespace it was started, and prints what
 * came of it as one JSON object: {@link TunOutcomes}.
 */

import { execFileSync } from 'node:child_process'
import { openTun, type Tun } from '../../forwarder/tun.ts'
import { icmp4 } from './packets.ts'

export interface TunOutcomes {
  /** Asked for by the pattern `tuntest%d`. */
  readonly name: string
  /** A second opening of the same device, and of one that is no tun device. */
  readonly openedTwice: string
  readonly openedLoopback: string
  /** Before the device is set up. */
  readonly isWrittenWhileDown: boolean
  readonly isReadyWithoutPacket: boolean
  readonly readWithoutPacketBytes: number
  /** An echo request to the device's own address, and the kernel's answer to it. */
  readonly isWritten: boolean
  readonly isReady: boolean
  readonly answer: { readonly type: number; readonly bytes: number; readonly source: string }
  /** Of a second answer, what fitted into 8 octets. */
  readonly cutBytes: number
  readonly wroteGarbage: string
  readonly readAfterClosing: string
  readonly isThereAfterClosing: boolean
  /** After somebody has deleted the device. */
  readonly readAfterDeletion: string
}

const OWN = '10.99.0.1'
const PEER = '10.99.0.2'

const ip = (...argv: string[]): string =>
  execFileSync('ip', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** The message of what `act` throws. */
function refusal(act: () => unknown): string {
  try {
    return `nothing thrown, but returned ${act()}`
  } catch (error) {
    return (error as Error).message
  }
}

function isThere(name: string): boolean {
  return ip('-oneline', 'link').includes(` ${name}:`)
}

/** Answers of the kernel's own (router solicitations and the like) are not what is waited for. */
function nextEcho(tun: Tun, bytes: Uint8Array): number {
  for (let tries = 0; tries < 20 && tun.wait(1000); tries++) {
    const length = tun.read(bytes)
    if ((bytes[0] as number) >>> 4 === 4) return length
  }
  return 0
}

const tun = openTun('tuntest%d')
const request = icmp4({ source: PEER, destination: OWN, type: 8, body: 'abcdefgh' })
const bytes = new Uint8Array(2000)
const isWrittenWhileDown = tun.write(request, 0, request.length)
const isReadyWithoutPacket = tun.wait(0)
const readWithoutPacketBytes = tun.read(bytes)
ip('addr', 'add', OWN, 'peer', PEER, 'dev', tun.name)
ip('link', 'set', tun.name, 'up')
const isWritten = tun.write(request, 0, request.length)
const isReady = tun.wait(1000)
const length = nextEcho(tun, bytes)
const source = bytes.slice(12, 16).join('.')
const type = bytes[20] as number
tun.write(request, 0, request.length)
const cutBytes = nextEcho(tun, bytes.subarray(0, 8))
const outcomes: TunOutcomes = {
  name: tun.name,
  openedTwice: refusal(() => openTun(tun.name)),
  openedLoopback: refusal(() => openTun('lo')),
  isWrittenWhileDown,
  isReadyWithoutPacket,
  readWithoutPacketBytes,
  isWritten,
  isReady,
  answer: { type, bytes: length, source },
  cutBytes,
  wroteGarbage: refusal(() => tun.write(new Uint8Array(40), 0, 40)),
  ...afterClosing(tun),
  readAfterDeletion: afterDeletion(),
}
process.stdout.write(JSON.stringify(outcomes))

function afterClosing(closed: Tun) {
  closed.close()
  closed.close()
  return {
    readAfterClosing: refusal(() => closed.read(bytes)),
    isThereAfterClosing: isThere(closed.name),
  }
}

function afterDeletion(): string {
  const gone = openTun('tungone')
  ip('link', 'delete', gone.name)
  return refusal(() => gone.read(bytes))
}
