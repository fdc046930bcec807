/** The persistence engine `sip`: datagrams of one Call-ID go to one destination. RFC 3261 §20.8; ipvsadm(8), `--pe`. */

import { readU8 } from '../bytes/octets.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { ENGINE_DATA_MAX_CHARS, type PersistenceEngine } from './engine.ts'

const UDP_HEADER_BYTES = 8
/** A header's line is looked for within so much of a datagram, which no SIP header comes near. */
const SEARCHED_BYTES = 8192

/** `word` of RFC 3261 §25.1. */
const WORD = '[A-Za-z0-9!"%\'()*+\\-./:<>?[\\\\\\]_`{}~]+'

/**
 * After the first line's end: the header's name or its compact form, white space (a continued line included), the value,
 * and the end of the line.
 */
const CALL_ID = new RegExp(
  `[\\r\\n](?:call-id|i(?![a-z]))[ \\t]*:(?:[ \\t]|\\r?\\n[ \\t])*(${WORD}(?:@${WORD})?)[\\r\\n]`,
  'i',
)

export const sip: PersistenceEngine = {
  read(packet) {
    if (packet.protocol !== PROTOCOL.udp || packet.isFragment) return null
    const start = packet.transportStart + UDP_HEADER_BYTES
    const callId = CALL_ID.exec(text(packet.bytes, start, Math.min(packet.end, start + SEARCHED_BYTES)))?.[1]
    return callId === undefined || callId.length > ENGINE_DATA_MAX_CHARS ? null : callId
  },
}

/** Octets as characters, one each. */
function text(bytes: Uint8Array, start: number, end: number): string {
  let characters = ''
  for (let at = start; at < end; at++) characters += String.fromCharCode(readU8(bytes, at))
  return characters
}
