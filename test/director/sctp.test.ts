import { beforeEach, describe, expect, it } from 'vitest'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { type SctpChunkSpec, sctp4, sctp6, withUnfinishedChecksum } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'sctp:10.0.0.1:5001'
const CLIENT = '10.9.0.1:5000'
const SERVER = '192.168.1.1:5002'

describe('an association with an SCTP service', () => {
  let stage: Stage
  beforeEach(() => {
    stage = new Stage()
    stage.service(SERVICE)
  })
  const fromClient = (...chunks: SctpChunkSpec[]) =>
    stage.inbound(sctp4({ source: CLIENT, destination: '10.0.0.1:5001', chunks }))
  const fromServer = (...chunks: SctpChunkSpec[]) =>
    stage.outbound(sctp4({ source: SERVER, destination: CLIENT, chunks }))
  const shown = () => `${stage.connection.stateName} ${stage.connection.expiresSeconds}`

  it('is followed from INIT to SHUTDOWN-COMPLETE when masqueraded', () => {
    const destination = stage.destination(SERVICE, SERVER)
    const story: [typeof fromClient, SctpChunkSpec[0], string, number][] = [
      [fromClient, 'init', 'INIT1 4', 0],
      [fromServer, 'initAck', 'C-SENT 61', 0],
      [fromClient, 'cookieEcho', 'C-REPLIED 61', 0],
      [fromServer, 'cookieAck', 'ESTABLISHED 900', 1],
      [fromClient, 'data', 'ESTABLISHED 900', 1],
      [fromServer, 'sack', 'ESTABLISHED 900', 1],
      [fromClient, 'shutdown', 'S-RECEIVED 61', 0],
      [fromServer, 'shutdownAck', 'S-ACK-SENT 61', 0],
      [fromClient, 'shutdownComplete', 'CLOSED 61', 0],
    ]
    for (const [send, chunk, state, active] of story) {
      expect(send([chunk]).kind).toBe('rewrite')
      expect(shown(), `after ${chunk}`).toBe(state)
      expect(destination).toMatchObject({ active, inactive: 1 - active })
    }
  })

  it('reaches the server with a valid checksum, and the client again, ports translated', () => {
    stage.destination(SERVICE, SERVER)
    expectPacket(fromClient(['init', 'x'.repeat(21)]).out)
      .ipv4({ destination: '192.168.1.1', ttl: 63 })
      .sctp({ sourcePort: 5000, destinationPort: 5002 })
      .checksumsAreValid()
    expectPacket(fromServer(['initAck', 'cookie']).out)
      .ipv4({ source: '10.0.0.1', destination: '10.9.0.1' })
      .sctp({ sourcePort: 5001, destinationPort: 5000 })
      .checksumsAreValid()
  })

  it('is followed by the client’s packets alone when replies do not come by', () => {
    stage.destination(SERVICE, '192.168.1.1:5001', { method: 'gatewaying' })
    for (const [chunk, state] of [
      ['init', 'INIT1'],
      ['init', 'INIT'],
      ['cookieEcho', 'ESTABLISHED'],
      ['shutdown', 'S-RECEIVED'],
      ['shutdownComplete', 'CLOSED'],
    ] as const) {
      expect(fromClient([chunk]).kind).toBe('direct')
      expect(stage.connection.stateName, `after ${chunk}`).toBe(state)
    }
  })

  it('ends with an ABORT bundled behind a cookie', () => {
    stage.destination(SERVICE, SERVER)
    fromClient(['init'])
    fromClient(['cookieEcho', 'crumb'], ['abort'])
    expect(stage.connection.stateName).toBe('CLOSED')
  })

  it('begins with INIT alone: everything else is left to the kernel', () => {
    stage.destination(SERVICE, SERVER)
    for (const chunk of ['data', 'cookieEcho', 'abort'] as const) {
      expect(fromClient([chunk])).toMatchObject({ kind: 'accept', reason: 'not-a-connection-start' })
    }
    expect(stage.connections).toHaveLength(0)
  })

  it('begins with anything but ABORT while sloppy_sctp is on', () => {
    stage.destination(SERVICE, SERVER)
    stage.director.knobs.sloppy_sctp = 1
    expect(fromClient(['abort']).kind).toBe('accept')
    expect(fromClient(['data']).kind).toBe('rewrite')
    expect(stage.connection.stateName).toBe('ESTABLISHED')
  })

  it('does not begin with a packet that is too short for a chunk, which is dropped', () => {
    stage.destination(SERVICE, SERVER)
    expect(fromClient()).toMatchObject({ kind: 'drop', reason: 'sctp-chunk-truncated', answer: null })
    expect(stage.connections).toHaveLength(0)
  })

  it('carries on such a packet once it is known, without a change of state or timeout', () => {
    stage.destination(SERVICE, SERVER)
    fromClient(['init'])
    expect(fromClient().kind).toBe('rewrite')
    expect(fromServer().kind).toBe('rewrite')
    expect(shown()).toBe('INIT1 4')
  })

  it('starts anew on INIT once it was closed, and on nothing else', () => {
    stage.destination(SERVICE, SERVER)
    fromClient(['init'])
    const { destination: first } = fromClient(['abort'])
    stage.destination(SERVICE, '192.168.1.2:5002')
    expect(fromClient(['data']).destination).toBe(first)
    expect(stage.connection.stateName).toBe('CLOSED')
    expect(fromClient(['init']).destination).not.toBe(first)
    stage.passTime(1000)
    expect(stage.connection).toMatchObject({ stateName: 'INIT1', inPackets: 1 })
  })

  it('is answered with port unreachable where there is no server', () => {
    expectPacket(fromClient(['init']).answer!)
      .icmp({ type: 3, code: 3 })
      .quoted()
      .sctp({ destinationPort: 5001 })
  })

  it('has its checksum finished where the sender left it to offload', () => {
    stage.destination(SERVICE, SERVER)
    const init = { source: CLIENT, destination: '10.0.0.1:5001', chunks: [['init', 'tag']] } as const
    const { out } = stage.inbound(withUnfinishedChecksum(sctp4(init)), { offload: OFFLOAD.unfinished })
    expectPacket(out).sctp({ destinationPort: 5002 }).checksumsAreValid()
  })
})

describe('SCTP over IPv6', () => {
  it('is followed behind extension headers too', () => {
    const stage = new Stage()
    stage.service('sctp:[fd00::1]:5001')
    stage.destination('sctp:[fd00::1]:5001', '[fd01::1]:5002')
    const { out } = stage.inbound(
      sctp6({
        source: '[fd09::1]:5000',
        destination: '[fd00::1]:5001',
        extensions: [{ protocol: 60, bytes: new Uint8Array(8) }],
        chunks: [['init']],
      }),
    )
    expectPacket(out).ipv6({ destination: 'fd01::1' }).sctp({ destinationPort: 5002 }).checksumsAreValid()
    expect(stage.connection.stateName).toBe('INIT1')
  })
})
