import { describe, expect, it } from 'vitest'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { tcp4, tcp6, withUnfinishedChecksum } from '../support/packets.ts'
import { type DestinationSpec, Stage } from '../support/stage.ts'

const SERVICE = 'tcp:10.0.0.1:21'
const SERVICE_6 = 'tcp:[fd00::1]:21'
const PASSIVE_REPLY = '227 Entering Passive Mode (192,168,1,1,156,64).\r\n'
const PASSIVE_AS_SEEN = '227 Entering Passive Mode (10,0,0,1,156,64).\r\n'

type Segment = Omit<Parameters<typeof tcp4>[0], 'source' | 'destination'>

/** A client and a server of one control connection, which is established. */
class Session {
  readonly stage = new Stage()

  constructor(settings: DestinationSpec = {}) {
    this.stage.service(SERVICE)
    this.stage.destination(SERVICE, '192.168.1.1:21', settings)
    this.stage.service(SERVICE_6)
    this.stage.destination(SERVICE_6, '[fd01::1]:21', settings)
    this.client({ flags: 'S' })
    this.server({ flags: 'SA' })
    this.client({})
  }

  client = (segment: Segment) =>
    this.stage.inbound(tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:21', ...segment }))
  server = (segment: Segment) =>
    this.stage.outbound(tcp4({ source: '192.168.1.1:21', destination: '10.9.0.1:3000', ...segment }))

  get dataConnections(): string[] {
    return this.stage.connections
      .filter(({ virtual }) => virtual.port !== 21)
      .map(
        ({ client, virtual, destination, stateName }) =>
          `${client.address}:${client.port} ${virtual.address}:${virtual.port} ${destination.address}:${destination.port} ${stateName}`,
      )
  }
}

describe('the FTP helper', () => {
  it('lets the client into the port that a passive server announces, under the service’s address', () => {
    const session = new Session()
    session.client({ payload: 'PASV\r\n' })
    expectPacket(session.server({ payload: PASSIVE_REPLY }).out)
      .ipv4({ source: '10.0.0.1' })
      .tcp({ sourcePort: 21, payload: PASSIVE_AS_SEEN })
      .checksumsAreValid()
    expect(session.dataConnections).toEqual(['10.9.0.1:0 10.0.0.1:40000 192.168.1.1:40000 LISTEN'])

    const syn = tcp4({ source: '10.9.0.1:3001', destination: '10.0.0.1:40000', flags: 'S' })
    expect(session.stage.inbound(syn)).toMatchObject({ kind: 'rewrite', destination: '192.168.1.1:21' })
    expect(session.dataConnections).toEqual(['10.9.0.1:3001 10.0.0.1:40000 192.168.1.1:40000 SYN_RECV'])
    const answer = tcp4({ source: '192.168.1.1:40000', destination: '10.9.0.1:3001', flags: 'SA' })
    expectPacket(session.stage.outbound(answer).out).ipv4({ source: '10.0.0.1' }).tcp({ sourcePort: 40000 })
  })

  it('lets the server come to the port that an active client announces', () => {
    const session = new Session()
    session.client({ payload: 'PORT 10,9,0,1,15,160\r\n' })
    expect(session.dataConnections).toEqual(['10.9.0.1:4000 10.0.0.1:20 192.168.1.1:20 LISTEN'])
    const syn = tcp4({ source: '192.168.1.1:20', destination: '10.9.0.1:4000', flags: 'S' })
    expectPacket(session.stage.outbound(syn).out)
      .ipv4({ source: '10.0.0.1' })
      .tcp({ sourcePort: 20 })
      .checksumsAreValid()
  })

  it('does the same over IPv6, by EPSV and EPRT', () => {
    const { stage } = new Session()
    const client = (segment: Segment) =>
      stage.inbound(tcp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:21', ...segment }))
    const server = (segment: Segment) =>
      stage.outbound(tcp6({ source: '[fd01::1]:21', destination: '[fd09::1]:3000', ...segment }))
    client({ flags: 'S' })
    server({ flags: 'SA' })
    client({})
    client({ payload: 'EPSV 2\r\n' })
    server({ payload: '229 Entering Extended Passive Mode (|||40001|)\r\n' })
    const syn = tcp6({ source: '[fd09::1]:3001', destination: '[fd00::1]:40001', flags: 'S' })
    expectPacket(stage.inbound(syn).out).ipv6({ destination: 'fd01::1' }).tcp({ destinationPort: 40001 })

    client({ payload: 'EPRT |2|fd09::1|4001|\r\n' })
    const active = tcp6({ source: '[fd01::1]:20', destination: '[fd09::1]:4001', flags: 'S' })
    expectPacket(stage.outbound(active).out)
      .ipv6({ source: 'fd00::1' })
      .tcp({ sourcePort: 20 })
      .checksumsAreValid()
  })

  it('counts in both directions what the replaced text has added or taken', () => {
    const session = new Session()
    const taken = PASSIVE_REPLY.length - PASSIVE_AS_SEEN.length
    session.client({ payload: 'PASV\r\n' })
    session.server({ payload: PASSIVE_REPLY, sequence: 1000 })
    const next = session.server({ payload: '150 ok\r\n', sequence: 1000 + PASSIVE_REPLY.length })
    expectPacket(next.out)
      .tcp({ sequence: 1000 + PASSIVE_AS_SEEN.length })
      .checksumsAreValid()
    const acknowledged = session.client({ acknowledgment: 1000 + PASSIVE_AS_SEEN.length })
    expectPacket(acknowledged.out)
      .tcp({ acknowledgment: 1000 + PASSIVE_AS_SEEN.length + taken })
      .checksumsAreValid()
  })

  it('finds room for an answer that becomes longer than it came', () => {
    const session = new Session()
    session.client({ payload: 'EPSV\r\n' })
    const outcome = session.server({ payload: '229 Entering Extended Passive Mode (|||7|)\r\n' })
    expectPacket(outcome.out)
      .tcp({ payload: '229 Entering Extended Passive Mode (|||7|)\r\n' })
      .checksumsAreValid()
    session.stage.service('tcp:10.100.100.100:21')
    session.stage.destination('tcp:10.100.100.100:21', '10.1.1.1:21')
    const ends = { source: '10.9.0.1:3000', destination: '10.100.100.100:21' }
    const back = { source: '10.1.1.1:21', destination: '10.9.0.1:3000' }
    session.stage.inbound(tcp4({ ...ends, flags: 'S' }))
    session.stage.outbound(tcp4({ ...back, flags: 'SA' }))
    session.stage.inbound(tcp4(ends))
    session.stage.inbound(tcp4({ ...ends, payload: 'PASV\r\n' }))
    const longer = session.stage.outbound(tcp4({ ...back, payload: '227 (10,1,1,1,4,1).\r\n' }))
    expectPacket(longer.out).tcp({ payload: '227 (10,100,100,100,4,1).\r\n' }).checksumsAreValid()
  })

  it('reads a segment whose checksum is left to offload, and leaves none unfinished', () => {
    const session = new Session()
    session.client({ payload: 'PASV\r\n' })
    const reply = tcp4({ source: '192.168.1.1:21', destination: '10.9.0.1:3000', payload: PASSIVE_REPLY })
    const outcome = session.stage.outbound(withUnfinishedChecksum(reply), { offload: OFFLOAD.unfinished })
    expectPacket(outcome.out).tcp({ payload: PASSIVE_AS_SEEN }).checksumsAreValid()
  })

  it('drops a control segment with a wrong checksum, in both directions', () => {
    const session = new Session()
    const broken = tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:21', payload: 'PASV\r\n' })
    broken[36]! ^= 1
    expect(session.stage.inbound(broken)).toMatchObject({ kind: 'drop', reason: 'transport-checksum' })
    const answer = tcp4({ source: '192.168.1.1:21', destination: '10.9.0.1:3000', payload: '220 hello\r\n' })
    answer[36]! ^= 1
    expect(session.stage.outbound(answer)).toMatchObject({ kind: 'drop', reason: 'transport-checksum' })
  })

  it('believes nothing that is said before the connection is established', () => {
    const stage = new Stage()
    stage.service(SERVICE)
    stage.destination(SERVICE, '192.168.1.1:21')
    stage.inbound(
      tcp4({
        source: '10.9.0.1:3000',
        destination: '10.0.0.1:21',
        flags: 'S',
        payload: 'PORT 10,9,0,1,15,160\r\n',
      }),
    )
    expect(stage.connections).toHaveLength(1)
  })

  it('leaves other ports and other methods alone', () => {
    const session = new Session({ method: 'gatewaying' })
    session.client({ payload: 'PORT 10,9,0,1,15,160\r\n' })
    expect(session.dataConnections).toEqual([])
    const stage = new Stage({ ftpPorts: [] })
    stage.service(SERVICE)
    stage.destination(SERVICE, '192.168.1.1:21')
    for (const flags of ['S', 'A'])
      stage.inbound(
        tcp4({
          source: '10.9.0.1:3000',
          destination: '10.0.0.1:21',
          flags,
          payload: 'PORT 10,9,0,1,15,160\r\n',
        }),
      )
    expect(stage.connections).toHaveLength(1)
  })

  it('makes a data connection that was announced before anew, not twice', () => {
    const session = new Session()
    for (let round = 0; round < 2; round++) session.client({ payload: 'PORT 10,9,0,1,15,160\r\n' })
    expect(session.dataConnections).toHaveLength(1)
    for (let round = 0; round < 2; round++) {
      session.client({ payload: 'PASV\r\n' })
      session.server({ payload: PASSIVE_REPLY })
    }
    expect(session.dataConnections).toHaveLength(2)
  })

  it('keeps the control connection as long as data flows, and counts the data connection with its server', () => {
    const session = new Session()
    session.client({ payload: 'PASV\r\n' })
    session.server({ payload: PASSIVE_REPLY })
    const data = (flags: string) =>
      session.stage.inbound(tcp4({ source: '10.9.0.1:3001', destination: '10.0.0.1:40000', flags }))
    data('S')
    data('A')
    for (let minute = 0; minute < 40; minute++) {
      session.stage.passTime(60_000)
      data('A')
    }
    const destination = session.stage.director.services.lookup(4, 0, 6, 0x0a000001, 0, 0, 0, 21)!.pool[0]!
    expect(destination.connections).toBe(2)
    expect(session.stage.connections).toHaveLength(2)
    session.stage.passTime(3_600_000)
    session.stage.passTime(3_600_000)
    expect(session.stage.connections).toEqual([])
    expect(destination.connections).toBe(0)
  })

  it('drops the announcement when there is no room for the data connection', () => {
    const stage = new Stage({ connectionLimit: 1 })
    stage.service(SERVICE)
    stage.destination(SERVICE, '192.168.1.1:21')
    const client = (segment: Segment) =>
      stage.inbound(tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:21', ...segment }))
    client({ flags: 'S' })
    stage.outbound(tcp4({ source: '192.168.1.1:21', destination: '10.9.0.1:3000', flags: 'SA' }))
    client({})
    expect(client({ payload: 'PORT 10,9,0,1,15,160\r\n' })).toMatchObject({
      kind: 'drop',
      reason: 'connection-table-full',
    })
    expect(client({ payload: 'NOOP\r\n' })).toMatchObject({ kind: 'rewrite' })
  })
})
