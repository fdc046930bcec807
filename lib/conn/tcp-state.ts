/**
 * TCP as IPVS follows it: no sequence numbers, only flags, in one table per direction. Reviewing is reading the
 * tables; they are the kernel's (Linux 6.1, `ip_vs_proto_tcp.c` behaviour as recorded from a running kernel).
 */

import { compileStateTable, type Direction, type StateTable } from './state-table.ts'

export const TCP_STATES = [
  'NONE',
  'ESTABLISHED',
  'SYN_SENT',
  'SYN_RECV',
  'FIN_WAIT',
  'TIME_WAIT',
  'CLOSE',
  'CLOSE_WAIT',
  'LAST_ACK',
  'LISTEN',
  'SYNACK',
] as const
export type TcpState = (typeof TCP_STATES)[number]

/** Seconds. ipvsadm's `--set` changes ESTABLISHED and FIN_WAIT. */
export const TCP_TIMEOUTS_SEC: Readonly<Record<TcpState, number>> = {
  NONE: 2,
  ESTABLISHED: 900,
  SYN_SENT: 120,
  SYN_RECV: 60,
  FIN_WAIT: 120,
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
}

/** The states in which a connection counts as active. */
export const TCP_ACTIVE_STATES: readonly TcpState[] = ['ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'SYNACK']

/** Which flags decide, first match first; a packet with none of them closes. */
const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const
const EVENTS = ['syn', 'fin', 'ack', 'rst'] as const
type TcpEvent = (typeof EVENTS)[number]

/** Abbreviations of the tables: two letters a state, in the order of {@link TCP_STATES}. */
const ABBREVIATIONS = 'NO ES SS SR FW TW CL CW LA LI SA'

/** Rows: the event; columns: the present state; cells: the next. */
const NORMAL: StateTable<TcpEvent> = {
  //       NO ES SS SR FW TW CL CW LA LI SA
  input: {
    syn: ' SR ES ES SR SR SR SR SR SR SR SR',
    fin: ' CL CW SS TW TW TW CL CW LA LI TW',
    ack: ' ES ES SS ES FW TW CL CW CL LI ES',
    rst: ' CL CL CL SR CL CL CL CL LA LI SR',
  },
  output: {
    syn: ' SS ES SS SR SS SS SS SS SS LI SR',
    fin: ' TW FW SS TW FW TW CL TW LA LI TW',
    ack: ' ES ES SS ES FW TW CL CW LA ES ES',
    rst: ' CL CL SS CL CL TW CL CL CL CL CL',
  },
  inputOnly: {
    syn: ' SR ES ES SR SR SR SR SR SR SR SR',
    fin: ' CL FW SS TW FW TW CL CW LA LI TW',
    ack: ' ES ES SS ES FW TW CL CW CL LI ES',
    rst: ' CL CL CL SR CL CL CL CL LA LI CL',
  },
}

/**
 * With `secure_tcp`: a client is not believed to be there before the server's own acknowledgment (or, where replies
 * are not seen, before the client's second packet), so that a flood of SYNs leaves nothing established.
 */
const SECURE: StateTable<TcpEvent> = {
  //       NO ES SS SR FW TW CL CW LA LI SA
  input: {
    syn: ' SR ES ES SR SR SR SR SR SR SR SA',
    fin: ' CL CW SS TW TW TW CL CW LA LI SA',
    ack: ' ES ES SS SR FW TW CL CW CL LI SA',
    rst: ' CL CL CL SR CL CL CL CL LA LI CL',
  },
  output: {
    syn: ' SS ES SS SA SS SS SS SS SS LI SA',
    fin: ' TW FW SS TW FW TW CL TW LA LI TW',
    ack: ' ES ES SS ES FW TW CL CW LA ES ES',
    rst: ' CL CL SS CL CL TW CL CL CL CL CL',
  },
  inputOnly: {
    syn: ' SA ES ES SR SA SA SA SA SA SA SA',
    fin: ' CL FW SS TW FW TW CL CW LA LI TW',
    ack: ' ES ES SS ES FW TW CL CW CL LI ES',
    rst: ' CL CL CL SR CL CL CL CL LA LI CL',
  },
}

/** The two tables to choose from: the secure one counts while `secure_tcp` is active. */
export const TCP_TABLES = {
  normal: compileStateTable(ABBREVIATIONS, EVENTS, NORMAL),
  secure: compileStateTable(ABBREVIATIONS, EVENTS, SECURE),
} as const satisfies Record<string, Uint8Array>

/** The state after a packet with these flags, by state number. */
export function nextTcpState(
  state: number,
  direction: Direction,
  tcpFlags: number,
  table: Uint8Array = TCP_TABLES.normal,
): number {
  const event = eventOf(tcpFlags)
  return event === NO_EVENT ? CLOSE : table[(direction * EVENTS.length + event) * STATES + state]!
}

const STATES = TCP_STATES.length
const CLOSE = TCP_STATES.indexOf('CLOSE')
const NO_EVENT = -1

function eventOf(tcpFlags: number): number {
  if (tcpFlags & TCP_FLAG.rst) return 3
  if (tcpFlags & TCP_FLAG.syn) return 0
  if (tcpFlags & TCP_FLAG.fin) return 1
  return tcpFlags & TCP_FLAG.ack ? 2 : NO_EVENT
}
