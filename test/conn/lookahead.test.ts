import { describe, expect, it } from 'vitest'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'
import { Lookahead } from '../../lib/conn/lookahead.ts'
import type { Packet } from '../../lib/wire/packet.ts'
import { type ConnectionSpec, inboundOf, newConnection, outboundOf } from '../support/connections.ts'
import { concat, icmp4, readPacket, tcp6 } from '../support/packets.ts'

const WEB: ConnectionSpec = {
  client: '10.9.0.1:3000',
  virtual: '10.0.0.1:80',
  destination: '192.168.1.1:8080',
}
const WEB_6: ConnectionSpec = {
  client: '[fd09::1]:3000',
  virtual: '[fd00::1]:80',
  destination: '[fd01::1]:8080',
}

function setUp(): { table: ConnectionTable; lookahead: Lookahead } {
  const table = new ConnectionTable({ limit: 1024, seed: 99, nowMs: 0 })
  return { table, lookahead: new Lookahead(table) }
}

/** What touching the connection's record alone adds up to. */
const touchOf = ({ words }: ConnectionTable, record: number): number =>
  (words[record * RECORD_WORDS]! + words[record * RECORD_WORDS + WORD.flags]!) | 0

const note = (lookahead: Lookahead, { bytes, start }: Packet, isInbound: boolean): void =>
  lookahead.note(bytes, start, isInbound)

describe('Lookahead', () => {
  it.each([
    ['IPv4, TCP', WEB],
    ['IPv4, UDP', { ...WEB, transport: 'udp' as const }],
    ['IPv6, TCP', WEB_6],
    ['IPv6, UDP', { ...WEB_6, transport: 'udp' as const }],
  ])('touches the very record that the packet will be looked up in: %s', (_name, spec) => {
    const { table, lookahead } = setUp()
    const record = table.create(newConnection(spec), 0)
    expect(touchOf(table, record)).not.toBe(0)
    note(lookahead, inboundOf(spec), true)
    expect(lookahead.touch()).toBe(touchOf(table, record))
    note(lookahead, outboundOf(spec), false)
    expect(lookahead.touch()).toBe(touchOf(table, record))
  })

  it('reads packets that do not stand at the start of their bytes', () => {
    const { table, lookahead } = setUp()
    const record = table.create(newConnection(WEB), 0)
    const { bytes } = inboundOf(WEB)
    lookahead.note(concat(new Uint8Array(33), bytes), 33, true)
    expect(lookahead.touch()).toBe(touchOf(table, record))
  })

  it('forgets what it has touched', () => {
    const { table, lookahead } = setUp()
    table.create(newConnection(WEB), 0)
    note(lookahead, inboundOf(WEB), true)
    lookahead.touch()
    expect(lookahead.touch()).toBe(0)
  })

  it('touches the record that a new connection will take, where it was used before', () => {
    const { table, lookahead } = setUp()
    const record = table.create(newConnection(WEB_6), 0)
    table.remove(record, () => {})
    expect(touchOf(table, record)).not.toBe(0)
    note(lookahead, inboundOf(WEB), true)
    expect(lookahead.touch()).toBe(touchOf(table, record))
  })

  it('notes 256 packets at most and leaves the rest out', () => {
    const { table, lookahead } = setUp()
    const record = table.create(newConnection(WEB), 0)
    for (let packet = 0; packet < 300; packet++) note(lookahead, inboundOf(WEB), true)
    expect(lookahead.touch()).toBe(Math.imul(256, touchOf(table, record)))
  })

  it('changes nothing in the table', () => {
    const { table, lookahead } = setUp()
    table.create(newConnection(WEB), 0)
    const [words, heads, next] = [table.words, table.index.heads, table.index.next].map((each) =>
      each.slice(),
    )
    note(lookahead, inboundOf(WEB), true)
    note(lookahead, outboundOf(WEB), false)
    lookahead.touch()
    expect(table.words).toEqual(words)
    expect(table.index.heads).toEqual(heads)
    expect(table.index.next).toEqual(next)
  })

  it.each([
    ['no bytes at all', new Uint8Array(0)],
    ['an unknown version', Uint8Array.of(0x90, 1, 2, 3)],
    ['an IPv4 header cut short', inboundOf(WEB).bytes.slice(0, 11)],
    ['an IPv6 header cut short', inboundOf(WEB_6).bytes.slice(0, 9)],
    ['a packet without ports', icmp4({ source: '10.9.0.1', destination: '10.0.0.1', type: 8 })],
    ['IPv6 extension headers', behindOptions()],
  ])('makes nothing of %s', (_name, bytes) => {
    const { table, lookahead } = setUp()
    table.create(newConnection(WEB_6), 0)
    lookahead.note(bytes, 0, true)
    expect(lookahead.touch()).toBe(0)
  })
})

function behindOptions(): Uint8Array {
  const bytes = tcp6({
    source: WEB_6.client,
    destination: WEB_6.virtual,
    extensions: [{ protocol: 60, bytes: new Uint8Array(8) }],
  })
  return readPacket(bytes).bytes
}
