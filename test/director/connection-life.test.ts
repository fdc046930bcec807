import { beforeEach, describe, expect, it } from 'vitest'
import { tcp4, udp4 } from '../support/packets.ts'
import { type Outcome, Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const DNS = 'udp:10.0.0.1:53'
const A = '192.168.1.1:80'
const B = '192.168.1.2:80'
const CLIENT = '10.9.0.1:3000'
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

let stage: Stage
beforeEach(() => {
  stage = new Stage()
  stage.service(WEB)
})

const request = (flags: string, source = CLIENT): Outcome =>
  stage.inbound(tcp4({ source, destination: '10.0.0.1:80', flags }))
const reply = (flags: string, source = A, destination = CLIENT): Outcome =>
  stage.outbound(tcp4({ source, destination, flags }))
const query = (source = CLIENT): Outcome => stage.inbound(udp4({ source, destination: '10.0.0.1:53' }))

function establish(source = CLIENT, server = A): void {
  request('S', source)
  reply('SA', server, source)
  request('A', source)
}

describe('a TCP connection', () => {
  it('is followed from SYN to TIME_WAIT, and counted active while it is', () => {
    const destination = stage.destination(WEB, A)
    const seen: string[] = []
    const note = (outcome: Outcome) => {
      const { active, inactive } = destination
      seen.push(`${outcome.kind} ${stage.connection.stateName} ${active}+${inactive}`)
    }
    note(request('S'))
    note(reply('SA'))
    note(request('A'))
    note(request('PA'))
    note(reply('FA'))
    note(request('FA'))
    note(reply('A'))
    expect(seen).toEqual([
      'rewrite SYN_RECV 1+0',
      'rewrite SYN_RECV 1+0',
      'rewrite ESTABLISHED 1+0',
      'rewrite ESTABLISHED 1+0',
      'rewrite FIN_WAIT 0+1',
      'rewrite TIME_WAIT 0+1',
      'rewrite TIME_WAIT 0+1',
    ])
  })

  it('by direct routing is followed from the client’s side alone', () => {
    const destination = stage.destination(WEB, A, { method: 'gatewaying' })
    const states = ['S', 'A', 'PA', 'FA', 'A'].map((flags) => {
      expect(request(flags).kind).toBe('direct')
      return stage.connection.stateName
    })
    expect(states).toEqual(['SYN_RECV', 'ESTABLISHED', 'ESTABLISHED', 'FIN_WAIT', 'FIN_WAIT'])
    expect(destination).toMatchObject({ active: 0, inactive: 1 })
  })

  it('counts its packets from the client', () => {
    stage.destination(WEB, A)
    establish()
    expect(stage.connection.inPackets).toBe(2)
  })

  it.each([
    ['SYN_RECV', 60, [() => request('S')]],
    ['ESTABLISHED', 900, [() => establish()]],
    ['FIN_WAIT', 120, [() => establish(), () => reply('FA')]],
    ['TIME_WAIT', 120, [() => establish(), () => reply('FA'), () => request('FA')]],
    ['CLOSE_WAIT', 60, [() => establish(), () => request('FA')]],
    ['CLOSE', 10, [() => establish(), () => request('R')]],
  ] as const)('in %s is forgotten after %i s of silence, no earlier', (state, seconds, packets) => {
    const destination = stage.destination(WEB, A)
    for (const send of packets) send()
    expect(stage.connection).toMatchObject({ stateName: state, expiresSeconds: seconds })
    stage.passTime(seconds * 1000 - 100)
    expect(stage.connections).toHaveLength(1)
    stage.passTime(200)
    expect(stage.connections).toHaveLength(0)
    expect(destination).toMatchObject({ active: 0, inactive: 0 })
  })

  it('lives for days as long as there is a packet within its timeout', () => {
    const destination = stage.destination(WEB, A)
    establish()
    for (let passedMs = 0; passedMs < 3 * DAY_MS; passedMs += 14 * MINUTE_MS) {
      stage.passTime(14 * MINUTE_MS)
      expect(request('A').kind).toBe('rewrite')
    }
    expect(destination).toMatchObject({ active: 1, inactive: 0 })
    stage.passTime(DAY_MS)
    expect(stage.connections).toHaveLength(0)
  })
})

describe('a UDP connection', () => {
  it('is forgotten after 300 s, each packet of either direction starting them anew', () => {
    stage.service(DNS)
    const destination = stage.destination(DNS, '192.168.1.1:53')
    query()
    stage.passTime(299_000)
    stage.outbound(udp4({ source: '192.168.1.1:53', destination: CLIENT }))
    stage.passTime(299_000)
    expect(stage.connection.stateName).toBe('UDP')
    expect(destination).toMatchObject({ active: 0, inactive: 1 })
    stage.passTime(2000)
    expect(stage.connections).toHaveLength(0)
  })
})

describe('timeouts that are set', () => {
  it('take effect at a connection’s next packet, not before', () => {
    stage.destination(WEB, A)
    establish()
    stage.director.timeouts = { tcp: 30, tcpFin: 0, udp: 0 }
    expect(stage.director.timeouts).toEqual({ tcp: 30, tcpFin: 120, udp: 300 })
    stage.passTime(10_000)
    expect(stage.connection.expiresSeconds).toBe(890)
    request('A')
    expect(stage.connection.expiresSeconds).toBe(30)
    stage.passTime(31_000)
    expect(stage.connections).toHaveLength(0)
  })

  it('may lengthen one as well', () => {
    stage.service(DNS)
    stage.destination(DNS, '192.168.1.1:53')
    stage.director.timeouts = { tcp: 0, tcpFin: 0, udp: 86_400 }
    query()
    stage.passTime(DAY_MS - 1000)
    expect(stage.connections).toHaveLength(1)
  })
})

describe('a destination of weight 0', () => {
  it('keeps its connections and gets no new ones', () => {
    const destination = stage.destination(WEB, A)
    establish()
    stage.edit(WEB, A, { weight: 0 })
    expect(request('PA')).toMatchObject({ kind: 'rewrite', destination: A })
    expect(reply('PA').kind).toBe('rewrite')
    expect(request('S', '10.9.0.2:3000')).toMatchObject({ kind: 'drop', reason: 'no-destination' })
    expect(destination.active).toBe(1)
  })
})

describe('an edit of the forwarding method', () => {
  it('is for new connections: those that exist go on as they began', () => {
    stage.destination(WEB, A)
    establish()
    stage.edit(WEB, A, { method: 'gatewaying' })
    expect(request('PA').kind).toBe('rewrite')
    expect(request('S', '10.9.0.2:3000').kind).toBe('direct')
  })
})

describe('a removed destination', () => {
  it('gets no packet of its connections any more: they are dropped, and their time runs on', () => {
    const destination = stage.destination(WEB, A)
    stage.destination(WEB, B)
    stage.edit(WEB, B, { weight: 0 })
    establish()
    stage.remove(WEB, A)
    stage.passTime(100_000)
    expect(request('A')).toMatchObject({ kind: 'drop', reason: 'destination-removed', answer: null })
    expect(stage.connection.expiresSeconds).toBe(800)
    expect(destination.counters.current().inPackets).toBe(2)
  })

  it('may still answer, uncounted', () => {
    const destination = stage.destination(WEB, A)
    establish()
    stage.remove(WEB, A)
    expect(reply('PA')).toMatchObject({ kind: 'rewrite' })
    expect(destination.counters.current().outPackets).toBe(1)
  })

  it('goes on with its connections once it is added again', () => {
    const destination = stage.destination(WEB, A)
    establish()
    stage.remove(WEB, A)
    expect(request('A').kind).toBe('drop')
    stage.destination(WEB, A, { method: 'gatewaying' })
    expect(request('A')).toMatchObject({ kind: 'rewrite', destination: A })
    expect(destination).toMatchObject({ active: 1, isAvailable: true })
  })

  it('is forgotten when its last connection is, two minutes on', () => {
    const { id } = stage.destination(WEB, A)
    establish()
    stage.remove(WEB, A)
    stage.passTime(901_000)
    expect(stage.connections).toHaveLength(0)
    for (let passedMs = 0; passedMs < 130_000; passedMs += 2000) stage.passTime(2000)
    expect(stage.director.services.destination(id)).toBeNull()
  })
})

describe('a removed service', () => {
  it('leaves its connections without a way until it is there again', () => {
    stage.destination(WEB, A)
    establish()
    stage.director.services.remove(stage.director.services.lookup(4, 0, 6, 0x0a000001, 0, 0, 0, 80)!.key)
    expect(request('A')).toMatchObject({ kind: 'drop', reason: 'destination-removed' })
    expect(request('S', '10.9.0.2:3000')).toMatchObject({ kind: 'accept', reason: 'no-service' })
    stage.service(WEB)
    stage.destination(WEB, A)
    expect(request('A')).toMatchObject({ kind: 'rewrite' })
  })
})

describe('a source port that is used again', () => {
  const close = (): void => {
    establish(CLIENT, A)
    reply('FA')
    request('FA')
    reply('A')
    expect(stage.connection.stateName).toBe('TIME_WAIT')
  }

  beforeEach(() => {
    stage.destination(WEB, B)
    stage.destination(WEB, A) // looked at first
  })

  it('is rescheduled at once: a SYN on the endpoints of a TIME_WAIT connection goes to the next destination', () => {
    close()
    stage.edit(WEB, A, { weight: 0 }) // what makes a stale mapping harmful
    const outcome = request('S')
    expect(outcome).toMatchObject({ kind: 'rewrite', destination: B })
    expect(stage.connection).toMatchObject({ stateName: 'SYN_RECV' })
    expect(reply('SA', B).kind).toBe('rewrite')
    expect(request('A')).toMatchObject({ destination: B })
  })

  it('is rescheduled also after a reset', () => {
    establish()
    request('R')
    expect(stage.connection.stateName).toBe('CLOSE')
    expect(request('S')).toMatchObject({ destination: B })
  })

  it('leaves nothing behind of the connection before: every count is right again', () => {
    close()
    request('S')
    stage.passTime(200)
    expect(stage.director.connections.size).toBe(1)
    const [a, b] = [...stage.director.services].flatMap(({ pool }) => pool)
    expect([a!.connections, b!.connections]).toEqual([0, 1])
  })

  it('stays with its destination while the connection is open: a retransmitted SYN is no new one', () => {
    request('S')
    expect(request('S')).toMatchObject({ destination: A })
    establish()
    expect(request('S')).toMatchObject({ destination: A })
    expect(stage.connections).toHaveLength(1)
  })

  it('stays with its destination in TIME_WAIT for anything but a SYN', () => {
    close()
    expect(request('A')).toMatchObject({ destination: A })
    expect(stage.connection.stateName).toBe('TIME_WAIT')
  })

  it('stays with its destination when conn_reuse_mode is 0', () => {
    stage.director.knobs.conn_reuse_mode = 0
    close()
    expect(request('S')).toMatchObject({ destination: A })
  })
})

describe('the connection table’s limit', () => {
  it('drops what would start one connection too many, and counts it; those that exist go on', () => {
    stage = new Stage({ connectionLimit: 2 })
    stage.service(WEB)
    const destination = stage.destination(WEB, A)
    establish('10.9.0.1:1')
    establish('10.9.0.1:2')
    expect(request('S', '10.9.0.1:3')).toMatchObject({
      kind: 'drop',
      reason: 'connection-table-full',
      answer: null,
    })
    expect(request('PA', '10.9.0.1:2').kind).toBe('rewrite')
    expect(stage.director.dropped.toObject()['connection-table-full']).toBe(1)
    expect(destination.connections).toBe(2)
    expect(destination.counters.current().connections).toBe(2)
  })

  it('leaves room again when connections end', () => {
    stage = new Stage({ connectionLimit: 1 })
    stage.service(WEB)
    stage.destination(WEB, A)
    establish()
    request('R')
    expect(request('S', '10.9.0.1:2').kind).toBe('drop')
    stage.passTime(11_000)
    expect(request('S', '10.9.0.1:2').kind).toBe('rewrite')
  })
})

describe('a full table', () => {
  it('makes room for a client whose own connection is over, without waiting for the clock', () => {
    stage = new Stage({ connectionLimit: 1 })
    stage.service(WEB)
    stage.destination(WEB, A)
    establish()
    request('R')
    expect(request('S').kind).toBe('rewrite')
    expect(stage.director.dropped.toObject()['connection-table-full']).toBe(0)
  })
})

describe('thresholds', () => {
  it('keep new connections away from a full destination until it has emptied', () => {
    stage.destination(WEB, B)
    stage.destination(WEB, A, { upperThreshold: 1 })
    const chosen = (port: number) => request('S', `10.9.0.1:${port}`).destination
    expect([1, 2, 3].map(chosen)).toEqual([A, B, B])
    request('R', '10.9.0.1:1')
    stage.passTime(61_000)
    expect([4, 5].map(chosen).sort()).toEqual([A, B])
  })
})

describe('expectation of packets', () => {
  it('changes no verdict', () => {
    stage.destination(WEB, A)
    const packet = tcp4({ source: CLIENT, destination: '10.0.0.1:80', flags: 'S' })
    stage.director.expect(packet, 0, 'inbound')
    stage.director.fetchExpected()
    expect(stage.connections).toHaveLength(0)
    expect(request('S')).toMatchObject({ kind: 'rewrite', destination: A })
  })
})

describe('time', () => {
  it('is passed in portions: a call ends no more connections than its budget', () => {
    stage.destination(WEB, A)
    for (let port = 1001; port <= 1100; port++) request('S', `10.9.0.1:${port}`)
    stage.nowMs = 61_000
    expect(stage.director.passTime(stage.nowMs, 40)).toBe(false)
    expect(stage.connections).toHaveLength(60)
    expect(stage.director.passTime(stage.nowMs, 100)).toBe(true)
    expect(stage.connections).toHaveLength(0)
  })
})
