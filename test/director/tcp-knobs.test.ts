import { beforeEach, describe, expect, it } from 'vitest'
import { tcp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const CLIENT = '10.9.0.1:3000'

describe('the knobs of TCP', () => {
  let stage: Stage
  const fromClient = (flags: string) =>
    stage.inbound(tcp4({ source: CLIENT, destination: '10.0.0.1:80', flags }))
  const fromServer = (flags: string) =>
    stage.outbound(tcp4({ source: '192.168.1.1:80', destination: CLIENT, flags }))
  const state = () => stage.connection.stateName

  beforeEach(() => {
    stage = new Stage()
    stage.service(WEB)
  })

  it('sloppy_tcp takes up connections in their midst, at once when it is set', () => {
    stage.destination(WEB, '192.168.1.1:80')
    expect(fromClient('A')).toMatchObject({ kind: 'accept', reason: 'not-a-connection-start' })
    stage.director.knobs.sloppy_tcp = 1
    expect(fromClient('R').kind).toBe('accept')
    expect(fromClient('A').kind).toBe('rewrite')
    expect(state()).toBe('ESTABLISHED')
  })

  it.each([2, 3])('secure_tcp = %i believes a client only after the server’s own acknowledgment', (mode) => {
    const destination = stage.destination(WEB, '192.168.1.1:80')
    stage.director.knobs.secure_tcp = mode
    for (const [send, flags, expected] of [
      [fromClient, 'S', 'SYN_RECV'],
      [fromClient, 'A', 'SYN_RECV'],
      [fromServer, 'SA', 'SYNACK'],
      [fromClient, 'A', 'SYNACK'],
      [fromServer, 'A', 'ESTABLISHED'],
    ] as const) {
      send(flags)
      expect(state(), `after ${flags}`).toBe(expected)
    }
    expect(destination).toMatchObject({ active: 1, inactive: 0 })
  })

  it('secure_tcp where replies are not seen believes a client’s second packet', () => {
    stage.destination(WEB, '192.168.1.1:80', { method: 'gatewaying' })
    stage.director.knobs.secure_tcp = 3
    fromClient('S')
    expect(state()).toBe('SYNACK')
    fromClient('A')
    expect(state()).toBe('ESTABLISHED')
  })

  it.each([0, 1])('secure_tcp = %i is not active: the normal table counts', (mode) => {
    stage.destination(WEB, '192.168.1.1:80')
    stage.director.knobs.secure_tcp = mode
    fromClient('S')
    fromClient('A')
    expect(state()).toBe('ESTABLISHED')
  })

  it('secure_tcp counts for connections that are already there, from their next packet on', () => {
    stage.destination(WEB, '192.168.1.1:80')
    fromClient('S')
    stage.director.knobs.secure_tcp = 3
    fromClient('A')
    expect(state()).toBe('SYN_RECV')
    stage.director.knobs.secure_tcp = 0
    fromClient('A')
    expect(state()).toBe('ESTABLISHED')
  })
})
