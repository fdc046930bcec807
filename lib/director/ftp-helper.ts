/**
 * The FTP helper at work: reads the text of control connections of masqueraded servers, and writes down the data
 * connections that it announces before their first packet comes. As Linux's `ip_vs_ftp`.
 */

import type { DataConnection, FtpControl, FtpFinding } from '../apps/ftp.ts'
import { FtpSession } from '../apps/ftp-session.ts'
import { payloadStart } from '../apps/replace.ts'
import { IpAddress } from '../bytes/address.ts'
import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, KIND, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import type { NewConnection } from '../conn/new-connection.ts'
import type { Protocol } from '../conn/protocol.ts'
import { TCP_STATES } from '../conn/tcp-state.ts'
import { startTickOf } from '../conn/ticks.ts'
import { natDelta } from '../encode/nat.ts'
import { OFFLOAD, type Offload } from '../encode/offload.ts'
import { METHOD } from '../service/destination.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { Packet } from '../wire/packet.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { transportChecksumIsValid } from '../wire/transport-checksum.ts'
import type { Scratch } from './scratch.ts'

const ESTABLISHED = TCP_STATES.indexOf('ESTABLISHED')
const LISTEN = TCP_STATES.indexOf('LISTEN')

export interface FtpHelperParts {
  readonly packet: Packet
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly tcp: Protocol
  readonly scratch: Scratch
  /** The ports of virtual services whose control connections are read. */
  readonly ports: readonly number[]
}

export class FtpHelper {
  readonly #parts: FtpHelperParts
  readonly #sessions = new Map<number, FtpSession>()
  readonly #probe = new Packet()

  constructor(parts: FtpHelperParts) {
    this.#parts = parts
  }

  /** Control connections that are read, by the port of their service. */
  get connectionsByPort(): ReadonlyMap<number, number> {
    const { connections, ports } = this.#parts
    const counts = new Map(ports.map((port) => [port, 0]))
    for (const record of this.#sessions.keys()) {
      const port = connections.words[record * RECORD_WORDS + WORD.ports]! & 0xffff
      counts.set(port, (counts.get(port) ?? 0) + 1)
    }
    return counts
  }

  /** Takes the new masqueraded connection under its wing, if it is one of FTP. */
  attach(record: number): void {
    const { connections, ports } = this.#parts
    const base = record * RECORD_WORDS
    const { words } = connections
    if (((words[base + WORD.kind]! >>> 8) & 0xff) !== PROTOCOL.tcp) return
    if (!ports.includes(words[base + WORD.ports]! & 0xffff)) return
    words[base + WORD.flags]! |= FLAG.helped
    this.#sessions.set(record, new FtpSession())
  }

  /** Knows of the connection `record` what `other` knows of its own `theirs`, if it helps that one. */
  imitate(other: FtpHelper, theirs: number, record: number): void {
    const session = other.#sessions.get(theirs)
    if (session !== undefined) this.#sessions.set(record, session.copy())
  }

  /** The connection goes, and what was known of it. */
  forget(record: number): void {
    this.#sessions.delete(record)
  }

  /** A client's segment, before its endpoints are rewritten; null, or why it must not go on. */
  request(record: number, offload: Offload, nowMs: number): string | null {
    const { packet } = this.#parts
    if (offload === OFFLOAD.finished && !transportChecksumIsValid(packet)) return 'transport-checksum'
    const session = this.#sessions.get(record) as FtpSession
    const finding = this.#isRead(record) ? session.readRequest(packet, this.#controlOf(record)) : null
    if (finding?.expect != null && !this.#expect(finding.expect, record, nowMs))
      return 'connection-table-full'
    session.adjustRequest(packet, offload)
    return null
  }

  /** The same for a server's segment; its text may come to be longer or shorter. */
  reply(record: number, offload: Offload, nowMs: number): string | null {
    const { packet } = this.#parts
    if (offload === OFFLOAD.finished && !transportChecksumIsValid(packet)) return 'transport-checksum'
    const session = this.#sessions.get(record) as FtpSession
    const finding = this.#isRead(record) ? session.readReply(packet, this.#controlOf(record)) : null
    if (finding?.expect != null && !this.#expect(finding.expect, record, nowMs))
      return 'connection-table-full'
    if (finding !== null && !this.#replace(session, finding, offload)) return 'too-long'
    session.adjustReply(packet, offload)
    return null
  }

  /** Text counts only where both ends have agreed to talk. */
  #isRead(record: number): boolean {
    const { packet, connections } = this.#parts
    const isEstablished = connections.words[record * RECORD_WORDS + WORD.state] === ESTABLISHED
    return isEstablished && payloadStart(packet) < packet.end
  }

  #replace(session: FtpSession, { replace }: FtpFinding, offload: Offload): boolean {
    if (replace === null) return true
    const { packet, scratch } = this.#parts
    const writableEnd = scratch.moveThere(packet)
    return session.replace(packet, replace, { offload, writableEnd })
  }

  /** The data connection waits to be opened; it is made where there is none. False when the table is full. */
  #expect(data: DataConnection, control: number, nowMs: number): boolean {
    const { connections, tcp } = this.#parts
    const known = this.#find(data)
    const record = known === NONE ? this.#make(data, control, nowMs) : known
    if (record === NONE) return false
    const base = record * RECORD_WORDS
    connections.words[base + WORD.state] = LISTEN
    connections.words[base + WORD.timeoutTicks] = tcp.timeoutTicks[LISTEN]!
    connections.prolong(record, startTickOf(nowMs))
    return true
  }

  /** By the endpoints of its first packet: the client's towards us, or, where its port is not known, the server's. */
  #find(data: DataConnection): number {
    const { connections } = this.#parts
    const probe = this.#probe
    const isFromClient = data.clientPort !== 0
    const [from, to] = isFromClient ? [data.client, data.virtual] : [data.destination, data.client]
    probe.family = from.family
    probe.protocol = PROTOCOL.tcp
    probe.sourceW0 = from.w0
    probe.sourceW1 = from.w1
    probe.sourceW2 = from.w2
    probe.sourceW3 = from.w3
    probe.destinationW0 = to.w0
    probe.destinationW1 = to.w1
    probe.destinationW2 = to.w2
    probe.destinationW3 = to.w3
    probe.sourcePort = isFromClient ? data.clientPort : data.destinationPort
    probe.destinationPort = isFromClient ? data.virtualPort : 0
    return isFromClient ? connections.findInbound(probe) : connections.findOutbound(probe)
  }

  #make(data: DataConnection, control: number, nowMs: number): number {
    const { connections, services } = this.#parts
    const { words } = connections
    const controlBase = control * RECORD_WORDS
    const { client, virtual } = data
    const wanted: NewConnection = {
      family: client.family,
      protocol: PROTOCOL.tcp,
      clientW0: client.w0,
      clientW1: client.w1,
      clientW2: client.w2,
      clientW3: client.w3,
      clientPort: data.clientPort,
      virtualW0: virtual.w0,
      virtualW1: virtual.w1,
      virtualW2: virtual.w2,
      virtualW3: virtual.w3,
      virtualPort: data.virtualPort,
      destination: data.destination,
      destinationPort: data.destinationPort,
      destinationId: words[controlBase + WORD.destinationId]!,
      flags: METHOD.masquerading | FLAG.inactive | (data.clientPort === 0 ? FLAG.noClientPort : 0),
      fwmark: words[controlBase + WORD.fwmark]!,
    }
    const record = connections.create(wanted, nowMs)
    if (record === NONE) return NONE
    const base = record * RECORD_WORDS
    words[base + WORD.natDelta] = natDelta(words, base)
    connections.control(control, record)
    services.destination(wanted.destinationId).bind(false)
    return record
  }

  #controlOf(record: number): FtpControl {
    const { words } = this.#parts.connections
    const base = record * RECORD_WORDS
    const family = (words[base + WORD.kind]! & KIND.ipv6) !== 0 ? 6 : 4
    const address = (at: number) =>
      new IpAddress(family, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
    return {
      family,
      client: address(base + WORD.client),
      virtual: address(base + WORD.virtual),
      virtualPort: words[base + WORD.ports]! & 0xffff,
      destination: address(base + WORD.destination),
      destinationPort: words[base + WORD.kind]! >>> 16,
    }
  }
}
