/**
 * The FTP helper: data connections are announced in the text of the control connection, so who masquerades the servers
 * has to read it. Commands and answers are those of RFC 959 §5.3 and §5.4 (PORT, PASV, 227) and RFC 2428 (EPRT, EPSV,
 * 229); what is looked for, and where, is as in Linux's `ip_vs_ftp`.
 *
 * Text is never believed further than it is read: whatever does not fit passes as it is.
 */

import type { Family, IpAddress } from '../bytes/address.ts'
import { readU8 } from '../bytes/octets.ts'
import {
  type Announced,
  OCTET,
  readExtended,
  readHostPort,
  skipBehind,
  startsWith,
  Text,
} from './ftp-text.ts'
import type { Replacement } from './replace.ts'

/** The port of a virtual service whose masqueraded connections are helped. */
export const FTP_PORT = 21

/** Who opens the next data connection: the server (`active`), or the client after a 227 or a 229. */
export type FtpMode = 'active' | 'passive' | 'extended-passive'

/** The endpoints of a control connection, all of one family. */
export interface FtpControl {
  readonly family: Family
  readonly client: IpAddress
  readonly virtual: IpAddress
  readonly virtualPort: number
  readonly destination: IpAddress
  readonly destinationPort: number
}

/** The data connection that was announced: to be made, where there is none, and to wait in the state LISTEN. */
export interface DataConnection {
  readonly client: IpAddress
  /** 0 when it will only be known from the client's first packet. */
  readonly clientPort: number
  readonly virtual: IpAddress
  readonly virtualPort: number
  readonly destination: IpAddress
  readonly destinationPort: number
}

/** What the text of one segment asks for. */
export interface FtpFinding {
  /** The control connection's mode from now on. */
  readonly mode: FtpMode
  readonly expect: DataConnection | null
  /** What the receiver is to read in its place. */
  readonly replace: Replacement | null
}

/** The shortest of the commands, line end included: nothing is looked for in less. */
const COMMAND_MIN_BYTES = 6

/** What the client's text `bytes[start, end)` asks for, or null. */
export function findInRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
  control: FtpControl,
): FtpFinding | null {
  for (let at = start; at <= end - COMMAND_MIN_BYTES; at++) {
    if (control.family === 4 && isPasv(bytes, at, end)) return PASSIVE
    const epsv = isEpsv(bytes, at, end, control.family)
    if (epsv !== null) return epsv ? EXTENDED_PASSIVE : null
  }
  const announced = readActive(bytes, start, end, control)
  return announced === null ? null : { mode: 'active', expect: fromServer(announced, control), replace: null }
}

/** What the server's text `bytes[start, end)` asks for in this mode, or null. */
export function findInReply(
  bytes: Uint8Array,
  start: number,
  end: number,
  control: FtpControl,
  mode: FtpMode,
): FtpFinding | null {
  if (mode === 'active' || (mode === 'passive' && control.family !== 4)) return null
  const announced =
    mode === 'passive' ? readPassive(bytes, start, end) : readEpsvReply(bytes, start, end, control)
  if (announced === null) return null
  const { virtual } = control
  const text = mode === 'passive' ? hostPort(virtual, announced.port) : `|||${announced.port}|`
  const replace = {
    fromBytes: announced.from - start,
    toBytes: announced.to - start,
    bytes: Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
  }
  return { mode: 'active', expect: toServer(announced, control), replace }
}

const PASSIVE: FtpFinding = { mode: 'passive', expect: null, replace: null }
const EXTENDED_PASSIVE: FtpFinding = { mode: 'extended-passive', expect: null, replace: null }

const isPasv = (bytes: Uint8Array, at: number, end: number): boolean =>
  startsWith(bytes, at, end, 'pasv') &&
  readU8(bytes, at + 4) === OCTET.carriageReturn &&
  readU8(bytes, at + 5) === OCTET.lineFeed

/** Null: no EPSV here. False: one that asks for another family, or for something else. RFC 2428 §3. */
function isEpsv(bytes: Uint8Array, at: number, end: number, family: Family): boolean | null {
  if (!startsWith(bytes, at, end, 'epsv')) return null
  const next = readU8(bytes, at + 4)
  if (next === OCTET.carriageReturn) return true
  if (next !== OCTET.space) return null
  return (
    end - at >= 7 &&
    readU8(bytes, at + 5) === FAMILY_DIGIT[family] &&
    readU8(bytes, at + 6) === OCTET.carriageReturn
  )
}

/** The address family numbers of RFC 2428 §2, as octets of text. */
const FAMILY_DIGIT = { 4: OCTET.one, 6: OCTET.two } as const

/** PORT and EPRT stand at the start of the text. */
function readActive(bytes: Uint8Array, start: number, end: number, { family }: FtpControl): Announced | null {
  if (family === 4 && startsWith(bytes, start, end, 'port')) {
    const text = new Text(bytes, start + 4, end)
    return skipBehind(text, OCTET.space, { orToDigit: true }) ? readHostPort(text) : null
  }
  if (!startsWith(bytes, start, end, 'eprt')) return null
  const text = new Text(bytes, start + 4, end)
  return skipBehind(text, OCTET.space, { orToDigit: false }) ? readExtended(text, family, null) : null
}

/** `227 Entering Passive Mode (192,168,1,1,156,64).`, the parenthesis optional. */
function readPassive(bytes: Uint8Array, start: number, end: number): Announced | null {
  if (!startsWith(bytes, start, end, '227 ')) return null
  const text = new Text(bytes, start + 4, end)
  return skipBehind(text, OCTET.parenthesis, { orToDigit: true }) ? readHostPort(text) : null
}

/** `229 Entering Extended Passive Mode (|||40001|)`: without an address, the server's own is meant. */
function readEpsvReply(
  bytes: Uint8Array,
  start: number,
  end: number,
  { family, destination }: FtpControl,
): Announced | null {
  if (!startsWith(bytes, start, end, '229 ')) return null
  const text = new Text(bytes, start + 4, end)
  return skipBehind(text, OCTET.parenthesis, { orToDigit: false })
    ? readExtended(text, family, destination)
    : null
}

/** Active: the server comes from the port below its control port, to the client's announced endpoint. RFC 959 §3.2. */
const fromServer = ({ address, port }: Announced, control: FtpControl): DataConnection => ({
  client: address,
  clientPort: port,
  virtual: control.virtual,
  virtualPort: (control.virtualPort - 1) & 0xffff,
  destination: control.destination,
  destinationPort: (control.destinationPort - 1) & 0xffff,
})

/** Passive: the client comes, from whatever port, to the port that the server announced. */
const toServer = ({ address, port }: Announced, control: FtpControl): DataConnection => ({
  client: control.client,
  clientPort: 0,
  virtual: control.virtual,
  virtualPort: port,
  destination: address,
  destinationPort: port,
})

/** `10,0,0,1,156,64`. */
const hostPort = ({ w0 }: IpAddress, port: number): string =>
  [w0 >>> 24, (w0 >>> 16) & 0xff, (w0 >>> 8) & 0xff, w0 & 0xff, port >>> 8, port & 0xff].join(',')
