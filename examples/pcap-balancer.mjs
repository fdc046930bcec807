// @ts-check
/**
 * Balances a recording: packets as `tcpdump -w` writes them go through a director that lives by the
 * recording's own clock, and what goes on is written to another recording. The same input gives the same
 * output.
 *
 *     node examples/pcap-balancer.mjs IN.pcap OUT.pcap SERVICE SCHEDULER SERVER...
 *     node examples/pcap-balancer.mjs in.pcap out.pcap tcp:10.0.0.1:80 wlc 192.168.1.1:80 192.168.1.2:80
 *
 * Reads classic pcap files (draft-ietf-opsawg-pcap) of either byte order, with microseconds or nanoseconds,
 * of Ethernet and of raw IP. Packets to the service's address are clients', all others may be the servers'
 * answers. Prints how many there were of each verdict, and a line for each server.
 */

import { closeSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import {
  Director,
  formatEndpoint,
  granted,
  HEADROOM_BYTES,
  OFFLOAD,
  Packet,
  parseEndpoint,
  parseServiceKey,
} from 'uipvs'

/** @import { IpAddress } from 'uipvs' */

const USAGE =
  'usage: pcap-balancer.mjs IN.pcap OUT.pcap SERVICE SCHEDULER SERVER...   (SERVICE as tcp:10.0.0.1:80)'

const FILE_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
/** More than any tool captures of a packet: a longer record means that the file is no capture. */
const RECORD_BYTES_MAX = 262_144
/** What a file begins with, and how many fractions its seconds have. */
const FRACTIONS = new Map([
  [0xa1b2c3d4, 1e6],
  [0xa1b23c4d, 1e9],
])
const PCAPNG_MAGIC = 0x0a0d0d0a
const LINK_TYPE = { ethernet: 1, raw: 101 }
const ETHERNET_HEADER_BYTES = 14
const VLAN_TAG_BYTES = 4
/** No connection outlives a longer silence, so a leap of the clock by decades need not be lived through. */
const PAUSE_MAX_MS = 32 * 86_400_000
const ETHER_TYPE = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100 }

/** A capture that is read record by record. */
class PcapReader {
  #fd
  #path
  #header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES))
  #isLittleEndian = false
  #linkType = 0
  #records = 0
  /** Fractions of a second that the time stamps count. */
  fractions = 0

  /** @param {string} path */
  constructor(path) {
    this.#path = path
    this.#fd = openSync(path, 'r')
    const length = this.#fill(new Uint8Array(this.#header.buffer))
    if (length < FILE_HEADER_BYTES) this.#refuse(`no pcap file: it has ${length} bytes`)
    const magic = this.#header.getUint32(0)
    if (magic === PCAPNG_MAGIC)
      this.#refuse(`a pcapng file: 'tcpdump -r ${path} -w OTHER' makes it a pcap file`)
    for (const isLittleEndian of [false, true]) {
      const fractions = FRACTIONS.get(this.#header.getUint32(0, isLittleEndian))
      if (fractions === undefined) continue
      this.fractions = fractions
      this.#isLittleEndian = isLittleEndian
    }
    if (this.fractions === 0)
      this.#refuse(`no pcap file: it begins with 0x${magic.toString(16).padStart(8, '0')}`)
    this.#linkType = this.#word(20)
    if (!Object.values(LINK_TYPE).includes(this.#linkType)) {
      this.#refuse(`of link type ${this.#linkType}, expected Ethernet (1) or raw IP (101)`)
    }
  }

  /**
   * Reads the next frame into `bytes` from `at` on. Answers where its IP packet begins (-1 where it is none)
   * and ends, and when it was captured; null at the end of the file.
   * @param {Uint8Array} bytes
   * @param {number} at
   */
  next(bytes, at) {
    const length = this.#fill(new Uint8Array(this.#header.buffer, 0, RECORD_HEADER_BYTES))
    if (length === 0) return null
    this.#records++
    const frameBytes = length < RECORD_HEADER_BYTES ? 0 : this.#word(8)
    if (frameBytes > RECORD_BYTES_MAX)
      this.#refuse(`damaged: record ${this.#records} has ${frameBytes} bytes`)
    const read = this.#fill(bytes.subarray(at, at + frameBytes))
    if (length < RECORD_HEADER_BYTES || read < frameBytes)
      this.#refuse(`cut short in record ${this.#records}`)
    const end = at + frameBytes
    return { start: this.#packetStart(bytes, at, end), end, seconds: this.#word(0), fraction: this.#word(4) }
  }

  close() {
    closeSync(this.#fd)
  }

  /**
   * Behind an Ethernet header and its VLAN tags.
   * @param {Uint8Array} bytes
   * @param {number} at
   * @param {number} end
   */
  #packetStart(bytes, at, end) {
    if (this.#linkType === LINK_TYPE.raw) return at
    const frame = new DataView(bytes.buffer, bytes.byteOffset + at, end - at)
    let start = ETHERNET_HEADER_BYTES
    while (start < frame.byteLength && frame.getUint16(start - 2) === ETHER_TYPE.vlan) start += VLAN_TAG_BYTES
    const etherType = start <= frame.byteLength ? frame.getUint16(start - 2) : 0
    return etherType === ETHER_TYPE.ipv4 || etherType === ETHER_TYPE.ipv6 ? at + start : -1
  }

  /** @param {number} offset */
  #word(offset) {
    return this.#header.getUint32(offset, this.#isLittleEndian)
  }

  /** Reads until `bytes` is full or the file ends. @param {Uint8Array} bytes */
  #fill(bytes) {
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(this.#fd, bytes, length, bytes.length - length, null)
    }
    return length
  }

  /** @param {string} why @returns {never} */
  #refuse(why) {
    throw new Error(`${this.#path} is ${why}`)
  }
}

/** A capture of raw IP packets, which takes its name only once it is complete. */
class PcapWriter {
  #fd
  #path
  #isComplete = false

  /** @param {string} path @param {number} fractions */
  constructor(path, fractions) {
    this.#path = path
    this.#fd = openSync(this.#partial, 'w')
    const header = new DataView(new ArrayBuffer(FILE_HEADER_BYTES))
    const magic = [...FRACTIONS].find(([, each]) => each === fractions)?.[0] ?? 0
    header.setUint32(0, magic)
    header.setUint16(4, 2) // version 2.4
    header.setUint16(6, 4)
    header.setUint32(16, RECORD_BYTES_MAX)
    header.setUint32(20, LINK_TYPE.raw)
    writeSync(this.#fd, header)
  }

  /** @param {{ seconds: number, fraction: number }} time @param {Uint8Array} packet */
  write({ seconds, fraction }, packet) {
    const header = new DataView(new ArrayBuffer(RECORD_HEADER_BYTES))
    for (const [index, word] of [seconds, fraction, packet.length, packet.length].entries()) {
      header.setUint32(4 * index, word)
    }
    writeSync(this.#fd, header)
    writeSync(this.#fd, packet)
  }

  complete() {
    renameSync(this.#partial, this.#path)
    this.#isComplete = true
  }

  /** What is not complete is deleted. */
  close() {
    closeSync(this.#fd)
    if (!this.#isComplete) rmSync(this.#partial)
  }

  get #partial() {
    return `${this.#path}.partial`
  }
}

/**
 * Every packet of the one through the director into the other; what happened, counted.
 * @param {PcapReader} reader
 * @param {PcapWriter} writer
 * @param {Director} director
 * @param {IpAddress} virtualAddress
 */
function balance(reader, writer, director, virtualAddress) {
  const bytes = new Uint8Array(HEADROOM_BYTES + RECORD_BYTES_MAX)
  const packet = new Packet()
  /** @type {Map<string, number>} */
  const counts = new Map()
  const count = (/** @type {string} */ what) => counts.set(what, (counts.get(what) ?? 0) + 1)
  let nowMs = 0
  /** The latest time stamp so far. @type {number | null} */
  let latestMs = null
  for (;;) {
    const frame = reader.next(bytes, HEADROOM_BYTES)
    if (frame === null) return counts
    const { start, end, seconds, fraction } = frame
    if (start < 0) {
      count('no IP packet')
      continue
    }
    const stampMs = seconds * 1000 + Math.floor((fraction * 1000) / reader.fractions)
    // A recording's clock may be set back, a director's never goes back.
    nowMs += Math.min(Math.max(stampMs - (latestMs ?? stampMs), 0), PAUSE_MAX_MS)
    latestMs = Math.max(latestMs ?? stampMs, stampMs)
    for (let isDone = false; !isDone; ) isDone = director.passTime(nowMs)
    const isInbound = packet.read(bytes, start, end) === null && packet.destination.equals(virtualAddress)
    const hook = isInbound ? 'inbound' : 'outbound'
    const verdict = director.process({ bytes, start, end, hook, mark: 0, offload: OFFLOAD.finished, nowMs })
    count(`${verdict.kind} ${verdict.reason}`)
    if (verdict.kind !== 'drop') writer.write(frame, verdict.bytes.subarray(verdict.start, verdict.end))
    if (verdict.answerBytes > 0) {
      count('answered by ICMP')
      writer.write(frame, director.answer.subarray(0, verdict.answerBytes))
    }
  }
}

/**
 * @param {string | undefined} service
 * @param {string | undefined} scheduler
 * @param {readonly string[]} servers
 */
function directorOf(service, scheduler, servers) {
  if (service === undefined || scheduler === undefined || servers.length === 0) throw new Error(USAGE)
  const key = parseServiceKey(service)
  if (key?.kind !== 'address') {
    throw new Error(`service '${service}': expected something like tcp:10.0.0.1:80 or udp:[fd00::1]:53`)
  }
  const director = new Director({ nowMs: 0, random: dice() })
  granted(director.services.add(key, { scheduler, schedulerFlags: 0 }))
  for (const server of servers) {
    const endpoint = parseEndpoint(server)
    if (endpoint === null) {
      throw new Error(`server '${server}': expected something like 192.168.1.1:80 or [fd00::1]:80`)
    }
    granted(
      director.services.addDestination(key, endpoint, {
        method: 'masquerading',
        weight: 1,
        upperThreshold: 0,
        lowerThreshold: 0,
      }),
    )
  }
  return { director, virtualAddress: key.address }
}

/** The same numbers in [0, 1) in every run. */
function dice() {
  let state = 1
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}

/** @param {string[]} argv */
function main([from, to, service, scheduler, ...servers]) {
  if (from === undefined || to === undefined) throw new Error(USAGE)
  const { director, virtualAddress } = directorOf(service, scheduler, servers)
  const reader = new PcapReader(from)
  const writer = new PcapWriter(to, reader.fractions)
  try {
    const counts = balance(reader, writer, director, virtualAddress)
    writer.complete()
    for (const [what, count] of counts) console.log(`${String(count).padStart(8)} ${what}`.trimEnd())
  } finally {
    reader.close()
    writer.close()
  }
  for (const { pool } of director.services) {
    for (const destination of pool) {
      const { connections, inPackets, outPackets } = destination.counters.current()
      const packets = `${inPackets} packets in, ${outPackets} out`
      console.log(`${formatEndpoint(destination)}: ${connections} connections, ${packets}`)
    }
  }
}

try {
  main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
