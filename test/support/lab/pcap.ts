/**
 * Reads captures as tcpdump writes them: the classic pcap format (draft-ietf-opsawg-pcap), either byte order,
 * microseconds or nanoseconds, of Ethernet devices and of devices without a link header (tun).
 */

import { readU16, readU32 } from '../../../lib/bytes/octets.ts'

/** A captured packet. Both byte arrays are the frame's own. */
export interface Frame {
  /** Microseconds since 1970. */
  readonly timestampUs: number
  /** The link header; empty on devices that have none. */
  readonly link: Uint8Array
  /** Protocol of the packet by its Ethernet number: 0x0800, 0x86dd, 0x0806 for ARP. */
  readonly etherType: number
  /** What the link header was in front of: for IP, header and payload, without Ethernet padding. */
  readonly packet: Uint8Array
  /** The whole frame's length on the wire, which `link` and `packet` fall short of when the capture cut it. */
  readonly wireBytes: number
}

export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const

const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
const ETHERNET_HEADER_BYTES = 14
const MAGIC = { microseconds: 0xa1b2c3d4, nanoseconds: 0xa1b23c4d } as const
const LINK_TYPE = { ethernet: 1, raw: 101 } as const
/** More than tcpdump's own snapshot length: a larger record means that this is no capture. */
const RECORD_BYTES_MAX = 1 << 20

/** All frames of a complete capture. Throws when bytes are left over or the format is another. */
export function parsePcap(bytes: Uint8Array): Frame[] {
  const reader = new PcapReader()
  const frames = reader.push(bytes)
  if (reader.pendingBytes > 0) throw new Error(`capture ends in ${reader.pendingBytes} bytes of a cut record`)
  return frames
}

/** Takes a capture in pieces as they come out of a pipe. */
export class PcapReader {
  #pending: Uint8Array = new Uint8Array()
  #format: Format | null = null

  get pendingBytes(): number {
    return this.#pending.length
  }

  /** The frames completed by `chunk`. Throws an Error for anything but a readable capture. */
  push(chunk: Uint8Array): Frame[] {
    const bytes = new Uint8Array(this.#pending.length + chunk.length)
    bytes.set(this.#pending)
    bytes.set(chunk, this.#pending.length)
    const frames: Frame[] = []
    let at = 0
    if (this.#format === null && bytes.length >= FILE_HEADER_BYTES) {
      this.#format = fileFormat(bytes)
      at = FILE_HEADER_BYTES
    }
    if (this.#format !== null) {
      while (bytes.length - at >= RECORD_HEADER_BYTES) {
        const capturedBytes = this.#format.word(bytes, at + 8)
        if (capturedBytes > RECORD_BYTES_MAX)
          throw new Error(`capture has a record of ${capturedBytes} bytes`)
        const end = at + RECORD_HEADER_BYTES + capturedBytes
        if (end > bytes.length) break
        frames.push(frameAt(bytes, at, end, this.#format))
        at = end
      }
    }
    this.#pending = bytes.subarray(at)
    return frames
  }
}

interface Format {
  /** Reads a 32-bit word in the byte order of the writer. */
  readonly word: (bytes: Uint8Array, at: number) => number
  readonly fractionsPerUs: number
  readonly linkType: number
}

function fileFormat(bytes: Uint8Array): Format {
  for (const word of [readU32, readU32LittleEndian]) {
    const magic = word(bytes, 0)
    if (magic !== MAGIC.microseconds && magic !== MAGIC.nanoseconds) continue
    const linkType = word(bytes, 20)
    if (linkType !== LINK_TYPE.ethernet && linkType !== LINK_TYPE.raw) {
      throw new Error(`capture of link type ${linkType}: expected Ethernet (1) or raw IP (101)`)
    }
    return { word, linkType, fractionsPerUs: magic === MAGIC.nanoseconds ? 1000 : 1 }
  }
  throw new Error(`not a pcap capture: it begins with 0x${readU32(bytes, 0).toString(16).padStart(8, '0')}`)
}

function frameAt(
  bytes: Uint8Array,
  at: number,
  end: number,
  { word, fractionsPerUs, linkType }: Format,
): Frame {
  const start = at + RECORD_HEADER_BYTES
  const hasLink = linkType === LINK_TYPE.ethernet
  if (hasLink && end - start < ETHERNET_HEADER_BYTES) {
    throw new Error(`capture has an Ethernet frame of ${end - start} bytes`)
  }
  const linkEnd = hasLink ? start + ETHERNET_HEADER_BYTES : start
  const etherType = hasLink ? readU16(bytes, start + 12) : etherTypeOfRaw(bytes, start)
  return {
    timestampUs: word(bytes, at) * 1e6 + Math.floor(word(bytes, at + 4) / fractionsPerUs),
    link: bytes.slice(start, linkEnd),
    etherType,
    packet: bytes.slice(linkEnd, Math.min(end, linkEnd + packetBytes(bytes, linkEnd, end, etherType))),
    wireBytes: word(bytes, at + 12),
  }
}

const etherTypeOfRaw = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) >>> 4 === 6 ? ETHER_TYPE.ipv6 : ETHER_TYPE.ipv4

/** The length an IP packet claims, or all there is: short Ethernet frames are padded to 60 bytes. */
function packetBytes(bytes: Uint8Array, at: number, end: number, etherType: number): number {
  const available = end - at
  if (etherType === ETHER_TYPE.ipv4 && available >= 20) return readU16(bytes, at + 2) || available
  if (etherType === ETHER_TYPE.ipv6 && available >= 40) return readU16(bytes, at + 4) + 40
  return available
}

const readU32LittleEndian = (bytes: Uint8Array, at: number): number =>
  (readU16LittleEndian(bytes, at) | (readU16LittleEndian(bytes, at + 2) << 16)) >>> 0

const readU16LittleEndian = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8)

/** The hardware addresses of an Ethernet frame, as `ip link` writes them. */
export const stations = ({ link }: Frame): { readonly destination: string; readonly source: string } => ({
  destination: hardwareAddress(link.subarray(0, 6)),
  source: hardwareAddress(link.subarray(6, 12)),
})

const hardwareAddress = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
