import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DataConnection, FtpControl } from '../../lib/apps/ftp.ts'
import { FtpSession } from '../../lib/apps/ftp-session.ts'
import { parseAddress } from '../../lib/bytes/address.ts'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { natDelta, rewriteInbound, rewriteOutbound } from '../../lib/encode/nat.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import type { Packet } from '../../lib/wire/packet.ts'
import { printPacket } from '../../lib/wire/print.ts'
import { newConnection } from '../support/connections.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { concat, fromHex, readPacket, tcp4, toHex } from '../support/packets.ts'

interface Recording {
  readonly cases: readonly {
    readonly name: string
    readonly steps: readonly {
      readonly from: 'client' | 'server'
      readonly hex: string
      readonly out: readonly { readonly hex: string }[]
    }[]
  }[]
}
const { cases } = JSON.parse(
  readFileSync(new URL('../vectors/packets-golden.json', import.meta.url), 'utf8'),
) as Recording

const CONTROL: FtpControl = {
  family: 4,
  client: parseAddress('10.9.0.1')!,
  virtual: parseAddress('10.0.0.1')!,
  virtualPort: 21,
  destination: parseAddress('192.168.1.1')!,
  destinationPort: 21,
}
const CLIENT_PORT = 3085
const ROOM_BYTES = 32

/** A director of one control connection, which follows the protocol of {@link FtpSession} and no state machine. */
class Stage {
  readonly session = new FtpSession()
  readonly expected: DataConnection[] = []

  process(from: 'client' | 'server', hex: string): Uint8Array {
    const packet = readPacket(concat(fromHex(hex), new Uint8Array(ROOM_BYTES)))
    decrementHopLimit(packet)
    const isControl = packet.sourcePort === 21 || packet.destinationPort === 21
    if (!isControl) this.#rewrite(packet, from, this.#dataConnectionOf(packet, from))
    else if (from === 'client') this.#request(packet)
    else this.#reply(packet)
    return packet.bytes.slice(packet.start, packet.end)
  }

  #request(packet: Packet): void {
    const finding = this.session.readRequest(packet, CONTROL)
    if (finding?.expect != null) this.expected.push(finding.expect)
    this.session.adjustRequest(packet, OFFLOAD.finished)
    this.#rewrite(packet, 'client', { ...CONTROL, clientPort: CLIENT_PORT })
  }

  #reply(packet: Packet): void {
    const finding = this.session.readReply(packet, CONTROL)
    if (finding?.expect != null) this.expected.push(finding.expect)
    if (finding?.replace != null) {
      const where = { offload: OFFLOAD.finished, writableEnd: packet.bytes.length }
      expect(this.session.replace(packet, finding.replace, where)).toBe(true)
    }
    this.session.adjustReply(packet, OFFLOAD.finished)
    this.#rewrite(packet, 'server', { ...CONTROL, clientPort: CLIENT_PORT })
  }

  #dataConnectionOf(packet: Packet, from: 'client' | 'server'): DataConnection {
    const found = this.expected.find((each) =>
      from === 'client'
        ? each.virtualPort === packet.destinationPort && [0, packet.sourcePort].includes(each.clientPort)
        : each.destinationPort === packet.sourcePort && each.clientPort === packet.destinationPort,
    )
    expect(found, `a data connection for ${printPacket(packet.bytes, 0, packet.end)}`).toBeDefined()
    return found!
  }

  #rewrite(packet: Packet, from: 'client' | 'server', of: DataConnection): void {
    const clientPort = of.clientPort === 0 ? packet.sourcePort : of.clientPort
    const table = new ConnectionTable({ limit: 1, seed: 0, nowMs: 0 })
    const spec = newConnection({
      client: `${of.client}:${clientPort}`,
      virtual: `${of.virtual}:${of.virtualPort}`,
      destination: `${of.destination}:${of.destinationPort}`,
    })
    const base = table.create(spec, 0) * RECORD_WORDS
    table.words[base + WORD.natDelta] = natDelta(table.words, base)
    const rewrite = from === 'client' ? rewriteInbound : rewriteOutbound
    rewrite(packet, table.words, base, OFFLOAD.finished)
  }
}

describe('an FTP session goes as the kernel recorded it', () => {
  it('PORT, PASV, EPSV, EPRT, octet for octet', () => {
    const { steps } = cases.find(({ name }) => name === 'ftp helper')!
    const stage = new Stage()
    for (const [index, { from, hex, out }] of steps.entries()) {
      const where = `step ${index}: ${printPacket(fromHex(hex))}`
      expect(toHex(stage.process(from, hex)), where).toBe(out[0]!.hex)
    }
    expect(steps).toHaveLength(15)
    expect(
      stage.expected.map((each) => `${each.clientPort} ${each.virtualPort} ${each.destinationPort}`),
    ).toEqual(['4000 20 20', '0 40000 40000', '0 40001 40001', '4001 20 20'])
  })
})

describe('FtpSession', () => {
  const request = (payload: string, sequence = 1): Packet =>
    readPacket(
      tcp4({ source: '10.9.0.1:3085', destination: '10.0.0.1:21', sequence, acknowledgment: 500, payload }),
    )
  const reply = (payload: string, sequence: number): Packet => {
    const ends = { source: '192.168.1.1:21', destination: '10.9.0.1:3085' }
    return readPacket(
      concat(tcp4({ ...ends, sequence, acknowledgment: 7, payload }), new Uint8Array(ROOM_BYTES)),
    )
  }
  const PASSIVE_REPLY = '227 Entering Passive Mode (192,168,1,1,156,64).\r\n'

  function answered(session: FtpSession, packet: Packet): Packet {
    const finding = session.readReply(packet, CONTROL)
    const where = { offload: OFFLOAD.finished, writableEnd: packet.bytes.length }
    if (finding?.replace != null) expect(session.replace(packet, finding.replace, where)).toBe(true)
    session.adjustReply(packet, OFFLOAD.finished)
    return packet
  }

  it('is active until the client asks for passive, and again after the answer', () => {
    const session = new FtpSession()
    expect(session.readReply(reply(PASSIVE_REPLY, 500), CONTROL)).toBeNull()
    session.readRequest(request('PASV\r\n'), CONTROL)
    expect(session.mode).toBe('passive')
    expect(session.readReply(reply('500 what?\r\n', 500), CONTROL)).toBeNull()
    expect(session.mode).toBe('passive')
    expect(session.readReply(reply(PASSIVE_REPLY, 511), CONTROL)).not.toBeNull()
    expect(session.mode).toBe('active')
    session.readRequest(request('EPSV\r\n'), CONTROL)
    expect(session.mode).toBe('extended-passive')
    session.readRequest(request('PORT 10,9,0,1,15,160\r\n'), CONTROL)
    expect(session.mode).toBe('active')
  })

  it('replaces an answer that is sent again as it did at first, and counts it once', () => {
    const session = new FtpSession()
    session.readRequest(request('PASV\r\n'), CONTROL)
    const first = answered(session, reply(PASSIVE_REPLY, 500))
    const again = answered(session, reply(PASSIVE_REPLY, 500))
    expect(toHex(again.bytes.slice(0, again.end))).toBe(toHex(first.bytes.slice(0, first.end)))
    expectPacket(again.bytes, 0, again.end)
      .tcp({ sequence: 500, payload: '227 Entering Passive Mode (10,0,0,1,156,64).\r\n' })
      .checksumsAreValid()
    expect(session.isUnshifted).toBe(false)
    const next = answered(session, reply('150 ok\r\n', 500 + PASSIVE_REPLY.length))
    expectPacket(next.bytes, 0, next.end)
      .tcp({ sequence: 500 + PASSIVE_REPLY.length - 3 })
      .checksumsAreValid()
  })

  it('leaves another answer in active mode as it is, whatever it says', () => {
    const session = new FtpSession()
    session.readRequest(request('PASV\r\n'), CONTROL)
    answered(session, reply(PASSIVE_REPLY, 500))
    const other = reply(PASSIVE_REPLY, 700)
    expect(session.readReply(other, CONTROL)).toBeNull()
  })

  it('gives the server its own count back', () => {
    const session = new FtpSession()
    session.readRequest(request('PASV\r\n'), CONTROL)
    answered(session, reply(PASSIVE_REPLY, 500))
    const end = 500 + PASSIVE_REPLY.length
    const ends = { source: '10.9.0.1:3085', destination: '10.0.0.1:21' }
    const packet = readPacket(tcp4({ ...ends, sequence: 7, acknowledgment: end - 3 }))
    session.adjustRequest(packet, OFFLOAD.finished)
    expectPacket(packet.bytes).tcp({ sequence: 7, acknowledgment: end }).checksumsAreValid()
  })

  it('counts nothing where the text could not be replaced', () => {
    const session = new FtpSession()
    session.readRequest(request('EPSV\r\n'), CONTROL)
    const packet = reply('229 (|||4000|)\r\n', 500)
    const { replace } = session.readReply(packet, CONTROL)!
    const longer = { ...replace!, bytes: new Uint8Array(100) }
    const where = { offload: OFFLOAD.finished, writableEnd: packet.end }
    expect(session.replace(packet, longer, where)).toBe(false)
    expect(session.isUnshifted).toBe(true)
  })
})
