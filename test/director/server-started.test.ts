import { describe, expect, it } from 'vitest'
import { FINEST_GRANULARITY } from '../../lib/service/virtual-service.ts'
import { expectPacket } from '../support/expect-packet.ts'
import { udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'udp:10.0.0.1:5060'
const INVITE = 'INVITE sip:a@b SIP/2.0\r\nCall-ID: 4711@here\r\n\r\n'
const OTHER_CALL = 'INVITE sip:a@b SIP/2.0\r\nCall-ID: 4712@here\r\n\r\n'
const sip = { timeoutSec: 300, granularity: FINEST_GRANULARITY[4], engine: 'sip' }

const fromServer = (payload: string, source = '192.168.1.1:5060') =>
  udp4({ source, destination: '10.9.0.1:5060', payload })
const fromClient = (payload: string) =>
  udp4({ source: '10.9.0.1:5060', destination: '10.0.0.1:5060', payload })

function staged(persistence: typeof sip | null = sip, onePacket = false): Stage {
  const stage = new Stage()
  stage.service(SERVICE, { persistence, onePacket })
  for (const host of [1, 2]) stage.destination(SERVICE, `192.168.1.${host}:5060`)
  return stage
}

describe('a call that a real server starts', () => {
  it('comes from the service, and the client’s answer goes to that server', () => {
    const stage = staged()
    const outcome = stage.outbound(fromServer(INVITE))
    expect(outcome).toMatchObject({ kind: 'rewrite', destination: '192.168.1.1:5060' })
    expectPacket(outcome.out).ipv4({ source: '10.0.0.1' }).udp({ sourcePort: 5060 }).checksumsAreValid()
    expect(stage.inbound(fromClient(INVITE))).toMatchObject({ destination: '192.168.1.1:5060' })
    stage.passTime(2000)
    expect(stage.director.totals.shown()).toMatchObject({ connections: 1, outPackets: 1, inPackets: 1 })
  })

  it('binds the client by the call: another connection of it goes to the same server', () => {
    const stage = staged()
    stage.outbound(fromServer(INVITE))
    const again = udp4({ source: '10.9.0.1:5061', destination: '10.0.0.1:5060', payload: INVITE })
    expect(stage.inbound(again)).toMatchObject({ destination: '192.168.1.1:5060' })
  })

  it('takes over a call that was bound to another server', () => {
    const stage = staged()
    expect(stage.inbound(fromClient(INVITE))).toMatchObject({ destination: '192.168.1.2:5060' })
    stage.outbound(udp4({ source: '192.168.1.1:5060', destination: '10.9.0.1:7000', payload: INVITE }))
    const again = udp4({ source: '10.9.0.1:7001', destination: '10.0.0.1:5060', payload: INVITE })
    expect(stage.inbound(again)).toMatchObject({ destination: '192.168.1.1:5060' })
  })

  it('with one-packet scheduling leaves nothing but the call’s template behind', () => {
    const stage = staged(sip, true)
    expect(stage.outbound(fromServer(OTHER_CALL)).kind).toBe('rewrite')
    expect(stage.connections.map(({ engineData }) => engineData)).toEqual(['4712@here'])
  })

  it.each([
    ['does not say which call it is', () => staged().outbound(fromServer('hello'))],
    ['comes from a port that is no server’s', () => staged().outbound(fromServer(INVITE, '192.168.1.1:99'))],
    ['is of a service without an engine', () => staged(null).outbound(fromServer(INVITE))],
    [
      'is of a service of a firewall mark',
      () => {
        const stage = new Stage()
        stage.service('fwmark:3', { persistence: sip })
        stage.destination('fwmark:3', '192.168.1.1:5060')
        return stage.outbound(fromServer(INVITE))
      },
    ],
  ])('is left alone when it %s', (_name, send) => {
    expect(send()).toMatchObject({ kind: 'accept', reason: 'no-connection' })
  })

  it('ends to be one when the service loses its engine', () => {
    const stage = staged()
    stage.director.services.edit([...stage.director.services][0]!.key, { scheduler: 'rr', schedulerFlags: 0 })
    expect(stage.outbound(fromServer(INVITE))).toMatchObject({ kind: 'accept', reason: 'no-connection' })
  })
})
