/** What a packet that goes on has that the one that came had not: header by header, field by field. */

import { readU8, readU16 } from '../bytes/octets.ts'
import { quotedInnerStart } from '../encode/tunnel-quoted.ts'
import { type Field, headerFields } from '../wire/fields.ts'
import { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { UDP_HEADER_BYTES } from '../wire/udp.ts'
import type { Change } from './explanation.ts'

/**
 * The changes from the fields of the packet that came to the packet `[start, end)` that goes on, in the order of the latter.
 * Behind a tunnel's outer headers, which are all new, stands the packet that came.
 */
export function changesTo(
  before: readonly Field[],
  { bytes, start, end, isTunnelled }: { bytes: Uint8Array; start: number; end: number; isTunnelled: boolean },
): Change[] {
  const packet = new Packet()
  packet.read(bytes, start, end)
  if (!isTunnelled) return differences(before, headerFields(packet))
  const innerStart = quotedInnerStart(packet)
  const inner = new Packet()
  inner.read(bytes, innerStart, end)
  const added = [...withoutPayload(headerFields(packet)), ...tunnelFields(packet, innerStart)]
  return [
    ...added.map(([name, to]): Change => ({ field: `outer.${name}`, from: null, to })),
    ...differences(before, headerFields(inner)),
  ]
}

/** By name; a field that is gone comes last. */
function differences(before: readonly Field[], after: readonly Field[]): Change[] {
  const was = new Map(before)
  const is = new Map(after)
  const changed = after
    .map(([field, to]): Change => ({ field, from: was.get(field) ?? null, to }))
    .filter(({ from, to }) => from !== to)
  const gone = before.filter(([field]) => !is.has(field))
  return [...changed, ...gone.map(([field, from]): Change => ({ field, from, to: null }))]
}

const withoutPayload = (fields: readonly Field[]): Field[] => fields.filter(([name]) => name !== 'payload')

/** What stands between the outer IP header and the packet. */
function tunnelFields({ bytes, protocol, transportStart }: Packet, innerStart: number): Field[] {
  if (protocol === PROTOCOL.gre) {
    const own: Field[] = [
      ['gre.flags', hex(readU16(bytes, transportStart))],
      ['gre.protocolType', hex(readU16(bytes, transportStart + 2))],
    ]
    return innerStart - transportStart > 4
      ? [...own, ['gre.checksum', hex(readU16(bytes, transportStart + 4))]]
      : own
  }
  if (protocol !== PROTOCOL.udp) return []
  const gue = transportStart + UDP_HEADER_BYTES
  const own: Field[] = [
    ['gue.headerBytes', innerStart - gue],
    ['gue.protocol', readU8(bytes, gue + 1)],
    ['gue.flags', hex(readU16(bytes, gue + 2))],
  ]
  if (innerStart - gue === 4) return own
  return [
    ...own,
    ['gue.checksumStart', readU16(bytes, gue + 8)],
    ['gue.checksumField', readU16(bytes, gue + 10)],
  ]
}

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
