/** The protocols whose connections are followed: states, timeouts and activity, as tables by state number. */

import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { type Direction, nextTcpState, TCP_ACTIVE_STATES, TCP_STATES, TCP_TIMEOUTS_SEC } from './tcp-state.ts'
import { ticksFromSec } from './ticks.ts'

export interface Protocol {
  /** As listings print it. */
  readonly name: string
  readonly states: readonly string[]
  /** By state number. */
  readonly isActive: readonly boolean[]
  readonly timeoutTicks: Int32Array
  /** The state after the packet, by number. */
  next(state: number, direction: Direction, packet: Packet): number
  /** Whether a packet that belongs to no connection may start one. */
  starts(packet: Packet): boolean
}

/** The followed protocols of one director. */
export interface Protocols {
  readonly tcp: Protocol
  readonly udp: Protocol
}

const SYN = 0x02
const RST = 0x04

/** Fresh tables for one director: {@link Timeouts} may change theirs. */
export function protocols(): Protocols {
  return {
    tcp: {
      name: 'TCP',
      states: TCP_STATES,
      isActive: TCP_STATES.map((state) => TCP_ACTIVE_STATES.includes(state)),
      timeoutTicks: Int32Array.from(TCP_STATES, (state) => ticksFromSec(TCP_TIMEOUTS_SEC[state])),
      next: (state, direction, packet) => nextTcpState(state, direction, packet.tcpFlags),
      starts: ({ tcpFlags }) => (tcpFlags & (SYN | RST)) === SYN,
    },
    udp: {
      name: 'UDP',
      states: ['UDP'],
      isActive: [false],
      timeoutTicks: Int32Array.of(ticksFromSec(UDP_TIMEOUT_SEC)),
      next: () => 0,
      starts: () => true,
    },
  }
}

const UDP_TIMEOUT_SEC = 300

/** The three timeouts that ipvsadm's `--set` changes, in seconds. */
export interface Timeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

const ESTABLISHED = TCP_STATES.indexOf('ESTABLISHED')
const FIN_WAIT = TCP_STATES.indexOf('FIN_WAIT')

export const readTimeouts = ({ tcp, udp }: Protocols): Timeouts => ({
  tcp: tcp.timeoutTicks[ESTABLISHED]! / ticksFromSec(1),
  tcpFin: tcp.timeoutTicks[FIN_WAIT]! / ticksFromSec(1),
  udp: udp.timeoutTicks[0]! / ticksFromSec(1),
})

/** 0 leaves a value as it is. A connection notices at its next packet. */
export function writeTimeouts({ tcp, udp }: Protocols, timeouts: Timeouts): void {
  if (timeouts.tcp !== 0) tcp.timeoutTicks[ESTABLISHED] = ticksFromSec(timeouts.tcp)
  if (timeouts.tcpFin !== 0) tcp.timeoutTicks[FIN_WAIT] = ticksFromSec(timeouts.tcpFin)
  if (timeouts.udp !== 0) udp.timeoutTicks[0] = ticksFromSec(timeouts.udp)
}

/** The highest timeout there can be; the kernel bounds it by its clock in the same way (HZ = 100). */
export const MAX_TIMEOUT_SEC = Math.floor(0x7fff_ffff / 100)

/** By protocol number, for the packet path: `undefined` where a protocol is not followed. */
export const protocolTable = (all: Protocols): readonly (Protocol | undefined)[] => {
  const table = new Array<Protocol | undefined>(256).fill(undefined)
  table[PROTOCOL.tcp] = all.tcp
  table[PROTOCOL.udp] = all.udp
  return table
}
