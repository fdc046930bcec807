/** The protocols whose connections are followed: states, timeouts and activity, as tables by state number. */

import { MALFORMED, type Malformed } from '../wire/malformed.ts'
import type { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { NO_SCTP_CHUNK, SCTP_CHUNK } from '../wire/sctp.ts'
import type { ConnectionTable } from './connection-table.ts'
import { findInboundKeyExchange, findOutboundKeyExchange } from './ipsec.ts'
import {
  decidingSctpChunk,
  firstSctpChunk,
  nextSctpState,
  SCTP_ACTIVE_STATES,
  SCTP_STATE_NAMES,
  SCTP_STATES,
  SCTP_TIMEOUTS_SEC,
} from './sctp-state.ts'
import { DIRECTION, type Direction, UNCHANGED } from './state-table.ts'
import { nextTcpState, TCP_ACTIVE_STATES, TCP_STATES, TCP_TABLES, TCP_TIMEOUTS_SEC } from './tcp-state.ts'
import { ticksFromSec } from './ticks.ts'

export interface Protocol {
  /** As listings print it. */
  readonly name: string
  readonly states: readonly string[]
  /** By state number. */
  readonly isActive: readonly boolean[]
  readonly timeoutTicks: Int32Array
  /** Whether connections are told apart by ports, which a later fragment does not show. */
  readonly hasPorts: boolean
  /** The record of the connection that a client's packet belongs to, or `NONE`. */
  findInbound(connections: ConnectionTable, packet: Packet): number
  /** The same for a server's packet. */
  findOutbound(connections: ConnectionTable, packet: Packet): number
  /** The state after the packet, by number; {@link UNCHANGED}: neither state nor timeout are touched. */
  next(state: number, direction: Direction, packet: Packet): number
  /** Whether a packet that belongs to no connection may start one; the flaw of one too short to tell by. */
  starts(packet: Packet): boolean | Malformed
  /** Whether the packet opens a connection anew, so that one on the same endpoints may be over. */
  opens(packet: Packet): boolean
  /** Whether a connection in this state is as good as over; `isUnanswered` where FIN_WAIT counts too. */
  isClosing(state: number, isUnanswered: boolean): boolean
  /** Whether the packet says that its sender wants no answer: RST, ABORT. */
  ends(packet: Packet): boolean
  /** Whether a packet of the direction that leads to this state shows that both ends are there. */
  assures(state: number, direction: Direction): boolean
  /** What `drop_entry` does to a connection in this state; left out where only idleness counts. */
  underAttack?(state: number): 'drop' | 'maybe' | 'keep'
}

/** The followed protocols of one director. */
export interface Protocols {
  readonly tcp: Protocol
  readonly udp: Protocol
  readonly sctp: Protocol
  readonly ah: Protocol
  readonly esp: Protocol
}

/** The settings that protocols heed, asked at every packet: they may change at any time. */
export interface ProtocolKnobs {
  /** Any TCP segment but a reset may start a connection, not SYN alone. */
  sloppyTcp(): boolean
  /** Any SCTP packet but an abort may start a connection, not INIT alone. */
  sloppySctp(): boolean
  /** TCP follows the secure table. */
  secureTcp(): boolean
}

const STRICT: ProtocolKnobs = {
  sloppyTcp: () => false,
  sloppySctp: () => false,
  secureTcp: () => false,
}

const SYN = 0x02
const RST = 0x04

/** Found by the ports in its own header. */
const BY_OWN_PORTS = {
  hasPorts: true,
  findInbound: (connections: ConnectionTable, packet: Packet) => connections.findInbound(packet),
  findOutbound: (connections: ConnectionTable, packet: Packet) => connections.findOutbound(packet),
}

/** Fresh tables for one director: {@link Timeouts} may change theirs. */
export function protocols({ sloppyTcp, sloppySctp, secureTcp }: ProtocolKnobs = STRICT): Protocols {
  return {
    tcp: {
      ...BY_OWN_PORTS,
      name: 'TCP',
      states: TCP_STATES,
      isActive: TCP_STATES.map((state) => TCP_ACTIVE_STATES.includes(state)),
      timeoutTicks: Int32Array.from(TCP_STATES, (state) => ticksFromSec(TCP_TIMEOUTS_SEC[state])),
      next: (state, direction, { tcpFlags }) =>
        nextTcpState(state, direction, tcpFlags, secureTcp() ? TCP_TABLES.secure : TCP_TABLES.normal),
      starts: ({ tcpFlags }) => (tcpFlags & RST) === 0 && ((tcpFlags & SYN) !== 0 || sloppyTcp()),
      opens: ({ tcpFlags }) => (tcpFlags & SYN) !== 0,
      isClosing: (state, isUnanswered) =>
        state === TIME_WAIT || state === CLOSE || (isUnanswered && state === FIN_WAIT),
      ends: ({ tcpFlags }) => (tcpFlags & RST) !== 0,
      assures: (state) => state === ESTABLISHED,
      underAttack: (state) => (HALF_OPEN.includes(state) ? 'drop' : state === ESTABLISHED ? 'maybe' : 'keep'),
    },
    udp: {
      ...BY_OWN_PORTS,
      name: 'UDP',
      states: ['UDP'],
      isActive: [false],
      timeoutTicks: Int32Array.of(ticksFromSec(UDP_TIMEOUT_SEC)),
      next: () => 0,
      starts: () => true,
      opens: () => false,
      isClosing: () => false,
      ends: () => false,
      assures: (_state, direction) => direction === DIRECTION.output,
    },
    sctp: {
      ...BY_OWN_PORTS,
      name: 'SCTP',
      states: SCTP_STATES.map((state) => SCTP_STATE_NAMES[state]),
      isActive: SCTP_STATES.map((state) => SCTP_ACTIVE_STATES.includes(state)),
      timeoutTicks: Int32Array.from(SCTP_STATES, (state) => ticksFromSec(SCTP_TIMEOUTS_SEC[state])),
      next: (state, direction, packet) => nextSctpState(state, direction, decidingSctpChunk(packet)),
      starts(packet) {
        const chunk = firstSctpChunk(packet)
        if (chunk === NO_SCTP_CHUNK) return MALFORMED['sctp-chunk-truncated']
        return chunk !== SCTP_CHUNK.abort && (chunk === SCTP_CHUNK.init || sloppySctp())
      },
      opens: (packet) => firstSctpChunk(packet) === SCTP_CHUNK.init,
      isClosing: (state) => state === SCTP_CLOSED,
      ends: (packet) => firstSctpChunk(packet) === SCTP_CHUNK.abort,
      assures: (state) => state === SCTP_ESTABLISHED,
      underAttack: (state) =>
        SCTP_HALF_OPEN.includes(state) ? 'drop' : state === SCTP_ESTABLISHED ? 'maybe' : 'keep',
    },
    ah: ipsec('AH'),
    esp: ipsec('ESP'),
  }
}

/** Packets that follow the connection of their key exchange: they prolong it, change nothing of it, and start none. */
const ipsec = (name: string): Protocol => ({
  hasPorts: false,
  findInbound: findInboundKeyExchange,
  findOutbound: findOutboundKeyExchange,
  name,
  states: [],
  isActive: [],
  timeoutTicks: new Int32Array(0),
  next: () => UNCHANGED,
  starts: () => false,
  opens: () => false,
  isClosing: () => false,
  ends: () => true,
  assures: () => false,
})

const UDP_TIMEOUT_SEC = 300

/** The three timeouts that ipvsadm's `--set` changes, in seconds. */
export interface Timeouts {
  readonly tcp: number
  readonly tcpFin: number
  readonly udp: number
}

const ESTABLISHED = TCP_STATES.indexOf('ESTABLISHED')
const FIN_WAIT = TCP_STATES.indexOf('FIN_WAIT')
const TIME_WAIT = TCP_STATES.indexOf('TIME_WAIT')
const CLOSE = TCP_STATES.indexOf('CLOSE')
const HALF_OPEN = [TCP_STATES.indexOf('SYN_RECV'), TCP_STATES.indexOf('SYNACK')]
const SCTP_ESTABLISHED = SCTP_STATES.indexOf('ESTABLISHED')
const SCTP_CLOSED = SCTP_STATES.indexOf('CLOSED')
const SCTP_HALF_OPEN = [SCTP_STATES.indexOf('INIT1'), SCTP_STATES.indexOf('INIT')]

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
  table[PROTOCOL.sctp] = all.sctp
  table[PROTOCOL.ah] = all.ah
  table[PROTOCOL.esp] = all.esp
  return table
}
