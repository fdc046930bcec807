/** `address[:port]` as ipvsadm reads it: numeric in any form inet_aton(3) knows, or by name. */

import { IpAddress, parseAddress } from '../lib/bytes/address.ts'
import type { Transport } from '../lib/service/key.ts'
import type { Names } from './names.ts'
import { parseNumber } from './values.ts'

export interface Endpoint {
  readonly address: IpAddress
  /** Null where the text has no port. */
  readonly port: number | null
}

/**
 * Reads `text`, or gives null when it is no address, its host is unknown, or its port is neither a number nor a
 * service of `transport`. IPv6 takes a port only as `[address]:port`. A bracketed IPv4 address loses the port
 * behind the bracket, as in ipvsadm.
 */
export async function parseEndpointText(
  text: string,
  transport: Transport | null,
  names: Names,
): Promise<Endpoint | null> {
  if (/^\d*$/.test(text)) return null
  const bracketed = /^\[([^\]]*)\]:(.*)$/s.exec(text)
  if (bracketed === null && text.startsWith('[')) return null
  const unbracketed = bracketed === null ? text : (bracketed[1] as string)
  if (unbracketed.includes(':')) {
    const address = parseAddress(unbracketed)
    if (address !== null) return withPort(address, bracketed?.[2], transport, names)
  }
  const colon = unbracketed.lastIndexOf(':')
  const host = colon === -1 ? unbracketed : unbracketed.slice(0, colon)
  const address = await parseHost(host, names)
  return (
    address && withPort(address, colon === -1 ? undefined : unbracketed.slice(colon + 1), transport, names)
  )
}

async function withPort(
  address: IpAddress,
  text: string | undefined,
  transport: Transport | null,
  names: Names,
): Promise<Endpoint | null> {
  if (text === undefined) return { address, port: null }
  const port = parseNumber(text, 0, 65_535) ?? (transport && (await names.portOf(text, transport)))
  return port === null ? null : { address, port }
}

/** The IPv4 address that `text` writes or names, or null. */
export const parseHost = async (text: string, names: Names): Promise<IpAddress | null> =>
  parseInetAton(text) ?? (await names.addressOf(text))

/**
 * An IPv4 address in one to four parts, decimal, octal (`0…`) or hexadecimal (`0x…`), the last of which fills the
 * octets that are left: `10.1` is 10.0.0.1. Null when it is not one. As inet_aton(3), which also ignores whatever
 * follows a blank.
 */
export function parseInetAton(text: string): IpAddress | null {
  const parts = (text.split(/[ \t\n\v\f\r]/, 1)[0] as string).split('.')
  if (parts.length > 4) return null
  let word = 0
  for (const [index, part] of parts.entries()) {
    if (!/^(?:0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.test(part)) return null
    const value = Number(/^0\d/.test(part) ? `0o${part}` : part)
    const isLast = index === parts.length - 1
    if (value >= 2 ** (isLast ? 8 * (4 - index) : 8)) return null
    word += isLast ? value : value * 2 ** (8 * (3 - index))
  }
  return new IpAddress(4, word)
}
