/** What a connection begins with, and how it is written down. */

import type { Family, IpAddress } from '../bytes/address.ts'
import { kindOf } from './connection-index.ts'
import { KIND, NONE, WORD } from './layout.ts'
import { TICKS_PER_SEC } from './ticks.ts'

/** A new connection's identity. Words as in `Flow`; the destination may be of the other family (tunnels). */
export interface NewConnection {
  family: Family
  protocol: number
  clientW0: number
  clientW1: number
  clientW2: number
  clientW3: number
  clientPort: number
  virtualW0: number
  virtualW1: number
  virtualW2: number
  virtualW3: number
  virtualPort: number
  destination: IpAddress
  destinationPort: number
  destinationId: number
  flags: number
  fwmark: number
}

/** Until the first packet's state says otherwise. */
const INITIAL_TIMEOUT_TICKS = 3 * TICKS_PER_SEC

/** Writes the record at `words[base…]`, but for the words by which a table files it. */
export function writeConnection(
  words: Int32Array,
  base: number,
  from: NewConnection,
  startTick: number,
): void {
  const { destination } = from
  const kind = kindOf(from)
  words[base + WORD.client] = from.clientW0
  words[base + WORD.client + 1] = from.clientW1
  words[base + WORD.client + 2] = from.clientW2
  words[base + WORD.client + 3] = from.clientW3
  words[base + WORD.virtual] = from.virtualW0
  words[base + WORD.virtual + 1] = from.virtualW1
  words[base + WORD.virtual + 2] = from.virtualW2
  words[base + WORD.virtual + 3] = from.virtualW3
  words[base + WORD.destination] = destination.w0
  words[base + WORD.destination + 1] = destination.w1
  words[base + WORD.destination + 2] = destination.w2
  words[base + WORD.destination + 3] = destination.w3
  words[base + WORD.ports] = (from.clientPort << 16) | from.virtualPort
  words[base + WORD.kind] =
    (from.destinationPort << 16) | kind | (destination.family === 6 ? KIND.destinationIpv6 : 0)
  words[base + WORD.destinationId] = from.destinationId
  words[base + WORD.flags] = from.flags
  words[base + WORD.state] = 0
  words[base + WORD.timeoutTicks] = INITIAL_TIMEOUT_TICKS
  words[base + WORD.deadlineTick] = startTick + INITIAL_TIMEOUT_TICKS
  words[base + WORD.inPackets] = 0
  words[base + WORD.controller] = NONE
  words[base + WORD.controlled] = 0
  words[base + WORD.fwmark] = from.fwmark
  words[base + WORD.natDelta] = 0
}
