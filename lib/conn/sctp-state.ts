/**
 * SCTP as IPVS follows it: no tags, only the type of a packet's first chunk, in one table per direction. Reviewing is
 * reading the tables; they are the kernel's (Linux 6.1, `ip_vs_proto_sctp.c` behaviour as recorded from a running kernel).
 */

import type { Packet } from '../wire/packet.ts'
import { NO_SCTP_CHUNK, nextSctpChunk, SCTP_CHUNK, SCTP_HEADER_BYTES, sctpChunkType } from '../wire/sctp.ts'
import { compileStateTable, type Direction, type StateTable, UNCHANGED } from './state-table.ts'

export const SCTP_STATES = [
  'NONE',
  'INIT1',
  'INIT',
  'COOKIE_SENT',
  'COOKIE_REPLIED',
  'COOKIE_WAIT',
  'COOKIE',
  'COOKIE_ECHOED',
  'ESTABLISHED',
  'SHUTDOWN_SENT',
  'SHUTDOWN_RECEIVED',
  'SHUTDOWN_ACK_SENT',
  'REJECTED',
  'CLOSED',
] as const
export type SctpState = (typeof SCTP_STATES)[number]

/** As listings print them. */
export const SCTP_STATE_NAMES: Readonly<Record<SctpState, string>> = {
  NONE: 'NONE',
  INIT1: 'INIT1',
  INIT: 'INIT',
  COOKIE_SENT: 'C-SENT',
  COOKIE_REPLIED: 'C-REPLIED',
  COOKIE_WAIT: 'C-WAIT',
  COOKIE: 'COOKIE',
  COOKIE_ECHOED: 'C-ECHOED',
  ESTABLISHED: 'ESTABLISHED',
  SHUTDOWN_SENT: 'S-SENT',
  SHUTDOWN_RECEIVED: 'S-RECEIVED',
  SHUTDOWN_ACK_SENT: 'S-ACK-SENT',
  REJECTED: 'REJECTED',
  CLOSED: 'CLOSED',
}

/** Seconds. None can be set. */
export const SCTP_TIMEOUTS_SEC: Readonly<Record<SctpState, number>> = {
  NONE: 2,
  INIT1: 4,
  INIT: 61,
  COOKIE_SENT: 61,
  COOKIE_REPLIED: 61,
  COOKIE_WAIT: 61,
  COOKIE: 61,
  COOKIE_ECHOED: 61,
  ESTABLISHED: 900,
  SHUTDOWN_SENT: 61,
  SHUTDOWN_RECEIVED: 61,
  SHUTDOWN_ACK_SENT: 61,
  REJECTED: 4,
  CLOSED: 61,
}

/** The states in which a connection counts as active. */
export const SCTP_ACTIVE_STATES: readonly SctpState[] = ['ESTABLISHED']

/** A chunk's type decides by itself, or as `data` where it is none of these. */
const EVENTS = [
  'data',
  'init',
  'initAck',
  'cookieEcho',
  'cookieAck',
  'shutdown',
  'shutdownAck',
  'shutdownComplete',
  'error',
  'abort',
] as const
type SctpEvent = (typeof EVENTS)[number]

/** Abbreviations of the tables: two letters a state, in the order of {@link SCTP_STATES}. */
const ABBREVIATIONS = 'NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL'

/** Rows: the event; columns: the present state; cells: the next. */
const TABLES: StateTable<SctpEvent> = {
  //                    NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL
  input: {
    data: '             ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    init: '             I1 IN IN CS CR CW CO CE ES SS SR SA IN IN',
    initAck: '          CW CW CW CS CR CO CO CE ES SS SR SA RJ CL',
    cookieEcho: '       CR IN IN CR CR CW CO CE ES SS SR SA RJ CL',
    cookieAck: '        ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL',
    shutdown: '         SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    shutdownAck: '      CL IN IN CS CR CW CO CE ES CL SR CL RJ CL',
    shutdownComplete: ' CL CL CL CS CR CW CO CE ES SS SR CL RJ CL',
    error: '            CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL',
    abort: '            CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  },
  output: {
    data: '             ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    init: '             CW CW CW CW CW CW CW CW ES CW CW CW CW CW',
    initAck: '          CS CS CS CS CR CW CO CE ES SS SR SA RJ CL',
    cookieEcho: '       CE CE CE CE CE CE CE CE ES SS SR SA RJ CL',
    cookieAck: '        ES ES ES ES ES ES ES ES ES SS SR SA RJ CL',
    shutdown: '         SS SS SS SS SS SS SS SS SS SS SR SA RJ CL',
    shutdownAck: '      SA SA SA SA SA CW CO CE ES SA SA SA RJ CL',
    shutdownComplete: ' CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    error: '            CL CL CL CL CL CW CO CE ES SS SR SA RJ CL',
    abort: '            CL RJ CL CL CL CL CL CL CL CL CL CL CL CL',
  },
  inputOnly: {
    data: '             ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL',
    init: '             I1 IN IN IN IN IN CO CE ES SS SR SA IN IN',
    initAck: '          CE CE CE CE CE CE CO CE ES SS SR SA RJ CL',
    cookieEcho: '       ES ES ES ES ES ES CO CE ES SS SR SA RJ CL',
    cookieAck: '        ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL',
    shutdown: '         SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL',
    shutdownAck: '      CL IN IN CS CR CW CO CE CL CL SR CL RJ CL',
    shutdownComplete: ' CL CL CL CL CL CW CO CE ES SS CL CL RJ CL',
    error: '            CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL',
    abort: '            CL CL CL CL CL RJ CL CL CL CL CL CL CL CL',
  },
}

const STATES = SCTP_STATES.length
const TABLE = compileStateTable(ABBREVIATIONS, EVENTS, TABLES)

/**
 * The state after a packet in which this type of chunk decides, by state number; {@link UNCHANGED} when it is
 * {@link NO_SCTP_CHUNK}.
 */
export function nextSctpState(state: number, direction: Direction, chunkType: number): number {
  if (chunkType === NO_SCTP_CHUNK) return UNCHANGED
  const event = EVENT_OF_CHUNK[chunkType]!
  return TABLE[(direction * EVENTS.length + event) * STATES + state]!
}

/** By chunk type, 0 to 255. */
const EVENT_OF_CHUNK = Uint8Array.from({ length: 256 }, (_, type) =>
  Math.max(
    0,
    EVENTS.findIndex((event) => SCTP_CHUNK[event] === type),
  ),
)

/** The type of the first chunk, or {@link NO_SCTP_CHUNK} where the packet ends before its header does. */
export const firstSctpChunk = ({ bytes, transportStart, end }: Packet): number =>
  sctpChunkType(bytes, transportStart + SCTP_HEADER_BYTES, end)

/** The type of the chunk that decides: the first, unless it is a cookie's and an ABORT is bundled right behind it. */
export function decidingSctpChunk(packet: Packet): number {
  const first = firstSctpChunk(packet)
  if (first !== SCTP_CHUNK.cookieEcho && first !== SCTP_CHUNK.cookieAck) return first
  const { bytes, transportStart, end } = packet
  const second = nextSctpChunk(bytes, transportStart + SCTP_HEADER_BYTES, end)
  return sctpChunkType(bytes, second, end) === SCTP_CHUNK.abort ? SCTP_CHUNK.abort : first
}
