import { beforeEach, describe, expect, it } from 'vitest'
import { ConnectionTable } from '../../lib/conn/connection-table.ts'
import { findInboundKeyExchange, findOutboundKeyExchange } from '../../lib/conn/ipsec.ts'
import { NONE } from '../../lib/conn/layout.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { type ConnectionSpec, newConnection } from '../support/connections.ts'
import { fragment4, ip4, ip6, readPacket, tcp4 } from '../support/packets.ts'

const EXCHANGE_4: ConnectionSpec = {
  transport: 'udp',
  client: '10.9.0.1:500',
  virtual: '10.0.0.1:500',
  destination: '192.168.1.9:500',
}
const EXCHANGE_6: ConnectionSpec = {
  transport: 'udp',
  client: '[fd09::1]:500',
  virtual: '[fd00::1]:500',
  destination: '[fd01::9]:500',
}
const inbound4 = (protocol: number) =>
  readPacket(ip4({ source: '10.9.0.1', destination: '10.0.0.1', protocol, payload: 'secret' }))
const outbound4 = (protocol: number) =>
  readPacket(ip4({ source: '192.168.1.9', destination: '10.9.0.1', protocol, payload: 'secret' }))

describe('the connection of a packet without ports', () => {
  let table: ConnectionTable
  const add = (spec: ConnectionSpec) => table.create(newConnection(spec), 0)
  beforeEach(() => {
    table = new ConnectionTable({ limit: 16, seed: 1, nowMs: 0 })
  })

  it('is the key exchange’s, in both directions, of AH and ESP alike', () => {
    const record = add(EXCHANGE_4)
    for (const protocol of [PROTOCOL.esp, PROTOCOL.ah]) {
      expect(findInboundKeyExchange(table, inbound4(protocol))).toBe(record)
      expect(findOutboundKeyExchange(table, outbound4(protocol))).toBe(record)
    }
  })

  it('is found over IPv6 too', () => {
    const record = add(EXCHANGE_6)
    const packet = (source: string, destination: string) =>
      readPacket(ip6({ source, destination, protocol: PROTOCOL.esp, payload: 'secret' }))
    expect(findInboundKeyExchange(table, packet('fd09::1', 'fd00::1'))).toBe(record)
    expect(findOutboundKeyExchange(table, packet('fd01::9', 'fd09::1'))).toBe(record)
    expect(findInboundKeyExchange(table, packet('fd09::2', 'fd00::1'))).toBe(NONE)
  })

  it('is found for a later fragment as for a first', () => {
    const record = add(EXCHANGE_4)
    const whole = ip4({
      source: '10.9.0.1',
      destination: '10.0.0.1',
      protocol: PROTOCOL.esp,
      payload: 'x'.repeat(64),
    })
    for (const fragment of fragment4(whole, 32))
      expect(findInboundKeyExchange(table, readPacket(fragment))).toBe(record)
  })

  it('is none where the exchange is between other ports, other addresses, or of another protocol', () => {
    add({ ...EXCHANGE_4, virtual: '10.0.0.1:501' })
    add({ ...EXCHANGE_4, client: '10.9.0.1:501' })
    add({ ...EXCHANGE_4, client: '10.9.0.2:500' })
    add({ ...EXCHANGE_4, transport: 'tcp' })
    expect(findInboundKeyExchange(table, inbound4(PROTOCOL.esp))).toBe(NONE)
  })

  it('is looked for without a change to the packet', () => {
    add(EXCHANGE_4)
    const ports = tcp4({ source: '10.9.0.1:7', destination: '10.0.0.1:8' })
    for (const packet of [inbound4(PROTOCOL.esp), outbound4(PROTOCOL.ah), readPacket(ports)]) {
      const before = { ...packet, bytes: packet.bytes.slice() }
      findInboundKeyExchange(table, packet)
      findOutboundKeyExchange(table, packet)
      expect({ ...packet }).toEqual(before)
    }
  })
})
