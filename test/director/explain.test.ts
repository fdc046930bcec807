import { beforeEach, describe, expect, it } from 'vitest'
import { printExplanation } from '../../lib/director/explain-text.ts'
import type { Explanation, SERVICE_FOUND } from '../../lib/director/explanation.ts'
import { HEADROOM_BYTES } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import { fragment4, icmp4, tcp4, tcp6, udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const CLIENT = '10.9.0.1:3000'
const ENDS = { source: CLIENT, destination: '10.0.0.1:80' }
const SYN = tcp4({ ...ENDS, flags: 'S' })
const ACK = tcp4({ ...ENDS, flags: 'A' })
const MASK_24 = 0xffff_ff00 | 0

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

interface Coming {
  readonly hook?: 'inbound' | 'outbound'
  readonly mark?: number
}

function explained(packet: Uint8Array, { hook = 'inbound', mark = 0 }: Coming = {}): Explanation {
  const bytes = new Uint8Array(HEADROOM_BYTES + packet.length)
  bytes.set(packet, HEADROOM_BYTES)
  const { nowMs } = stage
  const start = HEADROOM_BYTES
  return stage.director.explain({
    bytes,
    start,
    end: bytes.length,
    hook,
    mark,
    offload: OFFLOAD.finished,
    nowMs,
  })
}

/** An explanation's text, against one with a margin. */
function expectText(explanation: Explanation, wanted: string): void {
  const lines = wanted.replace(/^\n/, '').trimEnd().split('\n')
  const margin = lines[0]!.length - lines[0]!.trimStart().length
  expect(printExplanation(explanation)).toBe(lines.map((line) => line.slice(margin)).join('\n'))
}

/** The web service with three servers: quiesced, and of weight 2 and 1. */
function webService(scheduler = 'wlc'): void {
  stage.service(WEB, { scheduler })
  stage.destination(WEB, '192.168.1.1:8080', { weight: 0 })
  stage.destination(WEB, '192.168.1.2:8080', { weight: 2 })
  stage.destination(WEB, '192.168.1.3:8080', { weight: 1 })
}

describe('an explanation tells, from the first to the last step,', () => {
  it('of a stranger: its service, everybody in the pool, the new connection, and what is rewritten', () => {
    webService()
    expectText(
      explained(SYN),
      `
      packet      10.9.0.1:3000 > 10.0.0.1:80 tcp S seq 100 win 8192 len 0, 40 octets, inbound
      service     tcp:10.0.0.1:80, by address and port; scheduler wlc
      scheduler   wlc: least overhead / weight
                  192.168.1.3:8080  weight 1  active 0  inactive 0  score 0  picked
                  192.168.1.2:8080  weight 2  active 0  inactive 0  score 0  outdone: another scores better, or as well and stands before it
                  192.168.1.1:8080  weight 0  active 0  inactive 0           quiesced: its weight is 0
      opens       TCP 10.9.0.1:3000 → 10.0.0.1:80 → 192.168.1.3:8080, masquerading, SYN_RECV for 60 s
      forwarding  masquerading 192.168.1.3:8080, MTU 1500 from 192.168.1.254, hop limit 64
      sent        40 octets
                  ipv4.ttl             64        →  63
                  ipv4.checksum        0x5492    →  0x9de7
                  ipv4.destination     10.0.0.1  →  192.168.1.3
                  tcp.destinationPort  80        →  8080
                  tcp.checksum         0x6f6c    →  0x9881
      verdict     rewrite to 192.168.1.3:8080`,
    )
  })

  it('of a known connection: its state before and behind the packet', () => {
    webService()
    stage.inbound(SYN)
    expectText(
      explained(ACK),
      `
      packet      10.9.0.1:3000 > 10.0.0.1:80 tcp A seq 100 ack 0 win 8192 len 0, 40 octets, inbound
      connection  TCP 10.9.0.1:3000 → 10.0.0.1:80 → 192.168.1.3:8080, masquerading, SYN_RECV for 60 s
                  1 packet came so far
                  becomes ESTABLISHED for 900 s
      service     tcp:10.0.0.1:80, by the connection; scheduler wlc
      forwarding  masquerading 192.168.1.3:8080, MTU 1500 from 192.168.1.254, hop limit 64
      sent        40 octets
                  ipv4.ttl             64        →  63
                  ipv4.checksum        0x5492    →  0x9de7
                  ipv4.destination     10.0.0.1  →  192.168.1.3
                  tcp.destinationPort  80        →  8080
                  tcp.checksum         0x6f5e    →  0x9873
      verdict     rewrite to 192.168.1.3:8080`,
    )
  })

  it('of a server’s ICMP error: the connection by what it quotes, and the quotation’s own changes', () => {
    webService()
    stage.inbound(SYN)
    const about = tcp4({ ...ENDS, destination: '192.168.1.3:8080' })
    const error = icmp4({ source: '192.168.1.3', destination: '10.9.0.1', type: 3, code: 1, body: about })
    expectText(
      explained(error, { hook: 'outbound' }),
      `
      packet      192.168.1.3 > 10.9.0.1 icmp host unreachable (10.9.0.1:3000 > 192.168.1.3:8080 tcp A seq 100 ack 0 win 8192 len 0), 68 octets, outbound
      connection  TCP 10.9.0.1:3000 → 10.0.0.1:80 → 192.168.1.3:8080, masquerading, SYN_RECV for 60 s
                  1 packet came so far
      service     tcp:10.0.0.1:80, by the connection; scheduler wlc
      forwarding  masquerading 192.168.1.3:8080, MTU 1500 from 192.168.1.254, hop limit 64
      sent        68 octets
                  ipv4.checksum               0x9cd0       →  0x547b
                  ipv4.source                 192.168.1.3  →  10.0.0.1
                  icmp.checksum               0xc8ce       →  0xe80e
                  quoted.ipv4.checksum        0x9ce7       →  0x5492
                  quoted.ipv4.destination     192.168.1.3  →  10.0.0.1
                  quoted.tcp.destinationPort  8080         →  80
      verdict     rewrite to 192.168.1.3:8080`,
    )
  })

  it('of a tunnel: the outer headers in their order, then what changes within', () => {
    const tunnel = { type: 'gre', port: 0, checksum: 'full' } as const
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80', { method: 'ipip', tunnel, mtuBytes: 1400 })
    const { sent, forwarding } = explained(SYN)
    expect(forwarding).toEqual({
      destination: '192.168.1.1:80',
      method: 'ipip',
      path: { sourceAddress: '192.168.1.254', mtuBytes: 1400, isLocal: false },
      tunnel,
      hopLimit: 64,
    })
    expect(sent?.lengthBytes).toBe(20 + 8 + 40)
    expect(sent?.changes.map(({ field }) => field.replace(/\.[^.]+$/, ''))).toEqual([
      ...Array<string>(11).fill('outer.ipv4'),
      ...Array<string>(3).fill('outer.gre'),
      ...Array<string>(2).fill('ipv4'),
    ])
    expect(sent?.changes).toContainEqual({ field: 'outer.ipv4.destination', from: null, to: '192.168.1.1' })
    expect(sent?.changes).toContainEqual({ field: 'outer.gre.protocolType', from: null, to: '0x0800' })
  })

  it('of what cannot be read: its flaw alone', () => {
    expectText(
      explained(SYN.slice(0, 22)),
      `
      packet      malformed ipv4-payload-truncated: the packet ends before its IPv4 total length; 22 octets 4500002812340000400654920a0900010a0000010bb8, inbound
      verdict     drop: ipv4-payload-truncated`,
    )
  })

  it('of fragments: that they wait, and then all about the datagram', () => {
    stage.service('udp:10.0.0.1:53')
    stage.destination('udp:10.0.0.1:53', '192.168.1.1:53')
    const datagram = udp4({ source: CLIENT, destination: '10.0.0.1:53', payload: 'x'.repeat(1000) })
    const [first, second] = fragment4(datagram, 800)
    expect(explained(first!)).toMatchObject({ packet: { fragment: 'waits' }, verdict: { kind: 'absorb' } })
    stage.inbound(first!)
    const { packet, sent, verdict } = explained(second!)
    expect(packet.fragment).toBe('completes')
    expect(sent).toMatchObject({ lengthBytes: datagram.length })
    expect(sent?.changes.map(({ field }) => field)).toEqual([
      'ipv4.ttl',
      'ipv4.checksum',
      'ipv4.destination',
      'udp.checksum',
    ])
    expect(verdict).toMatchObject({ kind: 'rewrite', destination: '192.168.1.1:53' })
    stage.inbound(second!)
    stage.inbound(first!)
    expect(explained(first!).packet.fragment).toBe('fragment-duplicate')
  })

  it('of FTP: the data connection that a text announces, and the text that replaces it', () => {
    stage.service('tcp:10.0.0.1:21')
    stage.destination('tcp:10.0.0.1:21', '192.168.1.1:21')
    const there = { source: CLIENT, destination: '10.0.0.1:21' }
    const back = { source: '192.168.1.1:21', destination: CLIENT }
    stage.inbound(tcp4({ ...there, flags: 'S' }))
    stage.outbound(tcp4({ ...back, flags: 'SA' }))
    stage.inbound(tcp4({ ...there, payload: 'PASV\r\n' }))
    const answer = tcp4({ ...back, payload: '227 Entering Passive Mode (192,168,1,1,156,64).\r\n' })
    const { announced, opened, sent } = explained(answer, { hook: 'outbound' })
    expect(opened).toBeNull()
    expect(announced).toMatchObject({
      client: '10.9.0.1:0',
      virtual: '10.0.0.1:40000',
      destination: '192.168.1.1:40000',
      state: 'LISTEN',
    })
    expect(sent?.changes.find(({ field }) => field === 'payload')).toEqual({
      field: 'payload',
      from: '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
      to: '227 Entering Passive Mode (10,0,0,1,156,64).\r\n',
    })
  })
})

describe('an explanation of a packet that bypasses an empty pool', () => {
  it('names where it is addressed, before and after its connection is made', () => {
    stage.director.knobs.cache_bypass = 1
    stage.service('fwmark:7')
    expect(explained(SYN, { mark: 7 })).toMatchObject({
      opened: { method: 'bypass', destination: '10.0.0.1:80' },
      forwarding: { destination: '10.0.0.1:80' },
      verdict: { kind: 'rewrite', destination: null },
    })
    stage.inbound(SYN, { mark: 7 })
    expect(explained(ACK, { mark: 7 })).toMatchObject({
      connection: { method: 'bypass', destination: '10.0.0.1:80' },
      service: null,
    })
  })
})

describe('an explanation names the service, found', () => {
  const cases: readonly (readonly [keyof typeof SERVICE_FOUND, string, Uint8Array, number])[] = [
    ['mark', 'fwmark:7', tcp4({ ...ENDS, flags: 'S' }), 7],
    ['exact', WEB, SYN, 0],
    ['ftp', 'tcp:10.0.0.1:21', tcp4({ ...ENDS, destination: '10.0.0.1:2000', flags: 'S' }), 0],
    ['any-port', 'tcp:10.0.0.1:0', tcp4({ ...ENDS, destination: '10.0.0.1:99', flags: 'S' }), 0],
  ]
  it.each(cases)('%s: %s', (found, key, packet, mark) => {
    stage.service(key, { persistence: { timeoutSec: 60, granularity: -1, engine: null } })
    stage.destination(key, '192.168.1.1:0', { method: 'gatewaying' })
    expect(explained(packet, { mark }).service).toMatchObject({ key, found })
  })

  it('connection: the service that made it, once it is gone itself', () => {
    webService()
    stage.inbound(SYN)
    expect(explained(ACK).service).toEqual({
      key: WEB,
      found: 'connection',
      scheduler: 'wlc',
      onePacket: false,
    })
  })
})

describe('an explanation says why a connection is passed over:', () => {
  beforeEach(() => {
    webService('rr')
    stage.inbound(SYN)
  })

  it('its destination was removed', () => {
    stage.director.knobs.expire_nodest_conn = 1
    stage.remove(WEB, '192.168.1.3:8080')
    const { connection, verdict } = explained(SYN)
    expect(connection).toMatchObject({ passedOver: 'destination-removed', becomes: null })
    expect(verdict).toMatchObject({ kind: 'rewrite', destination: '192.168.1.2:8080' })
  })

  it('its destination is quiesced', () => {
    stage.director.knobs.expire_nodest_conn = 1
    stage.edit(WEB, '192.168.1.3:8080', { weight: 0 })
    expect(explained(SYN).connection?.passedOver).toBe('quiesced')
  })

  it('it was closing, and the packet starts another', () => {
    stage.inbound(tcp4({ ...ENDS, flags: 'R' }))
    stage.outbound(tcp4({ source: '192.168.1.3:8080', destination: CLIENT, flags: 'R' }))
    const { connection, opened } = explained(SYN)
    expect(connection).toMatchObject({ state: 'CLOSE', passedOver: 'reused' })
    expect(opened).toMatchObject({ destination: '192.168.1.2:8080' })
  })

  it('or that it is not, but leads nowhere', () => {
    stage.remove(WEB, '192.168.1.3:8080')
    expect(explained(ACK)).toMatchObject({
      connection: { passedOver: null },
      verdict: { kind: 'drop', reason: 'destination-removed' },
    })
  })
})

describe('an explanation tells of persistence', () => {
  const persistence = { timeoutSec: 300, granularity: MASK_24, engine: null }

  it('whom a template would bind, and for what', () => {
    stage.service(WEB, { persistence })
    stage.destination(WEB, '192.168.1.1:80')
    expect(explained(SYN).template).toEqual({
      clients: '10.9.0.0/24',
      virtual: '10.0.0.1:80',
      engine: null,
      engineData: null,
      bound: null,
      passedOver: null,
    })
  })

  it('whom it binds, so that no scheduler is asked', () => {
    stage.service(WEB, { persistence })
    stage.destination(WEB, '192.168.1.1:80')
    stage.inbound(SYN)
    const { template, scheduling, opened } = explained(tcp4({ ...ENDS, source: '10.9.0.77:1', flags: 'S' }))
    expect(template?.bound).toEqual({ destination: '192.168.1.1:80', expiresSeconds: 300, connections: 1 })
    expect(scheduling).toBeNull()
    expect(opened?.destination).toBe('192.168.1.1:80')
  })

  it.each([
    ['quiesced', () => stage.edit(WEB, '192.168.1.1:80', { weight: 0 })],
    ['destination-removed', () => stage.remove(WEB, '192.168.1.1:80')],
  ])('why a template does not count: %s', (passedOver, happen) => {
    stage.director.knobs.expire_quiescent_template = 1
    stage.service(WEB, { persistence })
    stage.destination(WEB, '192.168.1.1:80')
    stage.inbound(SYN)
    stage.destination(WEB, '192.168.1.2:80')
    happen()
    const other = explained(tcp4({ ...ENDS, source: '10.9.0.77:1', flags: 'S' }))
    expect(other.template).toMatchObject({ passedOver, bound: { destination: '192.168.1.1:80' } })
    expect(other.verdict.destination).toBe('192.168.1.2:80')
  })

  it('what the engine read', () => {
    const key = 'udp:10.0.0.1:5060'
    stage.service(key, { persistence: { ...persistence, engine: 'sip' } })
    stage.destination(key, '192.168.1.1:5060')
    const invite = (text: string) => udp4({ source: CLIENT, destination: '10.0.0.1:5060', payload: text })
    expect(explained(invite('INVITE x\r\nCall-ID: a@b\r\n')).template).toMatchObject({
      engine: 'sip',
      engineData: 'a@b',
    })
    expect(explained(invite('hello'))).toMatchObject({
      template: null,
      verdict: { reason: 'no-engine-data' },
    })
  })
})

describe('an explanation tells what is left to chance or not known:', () => {
  it('the chances of a scheduler that draws lots, and the likeliest end', () => {
    stage.service(WEB, { scheduler: 'twos' })
    stage.destination(WEB, '192.168.1.1:80', { weight: 1 })
    stage.destination(WEB, '192.168.1.2:80', { weight: 8 })
    const { scheduling, verdict } = explained(SYN)
    expect(scheduling).toMatchObject({ picked: null, supposed: '192.168.1.2:80' })
    expect(scheduling?.candidates.map(({ chance }) => chance)).toEqual([0.9, 0.1])
    expect(verdict).toMatchObject({ isCertain: false, destination: '192.168.1.2:80' })
    expect(printExplanation(explained(SYN))).toMatch(
      /rewrite to 192.168.1.2:80, if 192.168.1.2:80 is picked$/,
    )
  })

  it('a scheduler that does not explain itself, with who is eligible for it', () => {
    const schedulers = { ...SCHEDULERS, mine: () => ({ pick: () => null }) }
    stage = new Stage({ schedulers })
    webService('mine')
    const { scheduling, verdict } = explained(SYN)
    expect(scheduling).toMatchObject({ by: null, picked: null })
    expect(scheduling?.candidates.map(({ passedOver }) => passedOver)).toEqual([null, null, 'quiesced'])
    expect(verdict.isCertain).toBe(false)
    expect(printExplanation(explained(SYN))).toContain('mine: does not explain itself')
  })
})

describe('an explanation tells of limits', () => {
  it('which packet drop_packet takes next', () => {
    webService()
    Object.assign(stage.director.knobs, { drop_packet: 3, am_droprate: 3 })
    const seen = Array.from({ length: 5 }, (_, index) => {
      const syn = tcp4({ ...ENDS, source: `10.9.0.1:${4000 + index}`, flags: 'S' })
      const { dropping, verdict } = explained(syn)
      expect(stage.inbound(syn).reason).toBe(verdict.reason)
      return [dropping?.oneIn, dropping?.spared, verdict.reason]
    })
    expect(seen).toEqual([
      [3, 0, 'drop-packet'],
      [3, 2, ''],
      [3, 1, ''],
      [3, 0, 'drop-packet'],
      [3, 2, ''],
    ])
  })

  it('whether an ICMP error is sent or held back', () => {
    stage.service(WEB)
    const answers = Array.from({ length: 8 }, () => {
      const { answer, kind, reason } = explained(SYN).verdict
      expect([kind, reason, answer?.kind]).toEqual(['drop', 'no-destination', 'portUnreachable'])
      expect(stage.inbound(SYN).answer !== null).toBe(answer?.isSent)
      return answer?.isSent
    })
    expect(answers).toEqual([true, true, true, true, true, true, false, false])
    expect(printExplanation(explained(SYN))).toContain(
      'ICMP portUnreachable from 10.0.0.1 to 10.9.0.1, held back by the limits on ICMP errors',
    )
  })

  it('the MTU that a packet too big is answered with', () => {
    stage.service('tcp:[fd00::1]:80')
    stage.destination('tcp:[fd00::1]:80', '[fd01::1]:80', { mtuBytes: 1280 })
    const big = tcp6({
      source: '[fd09::1]:3000',
      destination: '[fd00::1]:80',
      flags: 'S',
      payload: new Uint8Array(1300),
    })
    expect(explained(big).verdict).toMatchObject({
      reason: 'too-big',
      answer: { kind: 'packetTooBig', mtuBytes: 1280, isSent: true, to: 'fd09::1' },
    })
  })

  it('that the connection table is full, and that what is due makes room', () => {
    stage = new Stage({ connectionLimit: 1 })
    webService()
    stage.inbound(SYN)
    const other = tcp4({ ...ENDS, source: '10.9.0.2:3000', flags: 'S' })
    expect(explained(other).verdict.reason).toBe('connection-table-full')
    stage.nowMs += 61_000
    expect(explained(other).verdict.kind).toBe('rewrite')
    expect(stage.inbound(other).kind).toBe('rewrite')
  })
})

describe('an explanation of full NAT', () => {
  it('finds the connection of a server’s answer by the director’s port, unless it is over', () => {
    webService('rr')
    stage.edit(WEB, '192.168.1.3:8080', { fullNat: true })
    const request = stage.inbound(SYN).out
    const port = new DataView(request.buffer, request.byteOffset).getUint16(20)
    const back = { source: '192.168.1.3:8080', destination: `192.168.1.254:${port}` }
    const reset = tcp4({ ...back, flags: 'R' })
    const { verdict, connection, sent } = explained(reset, { hook: 'outbound' })
    expect(verdict).toMatchObject({ kind: 'rewrite', destination: '192.168.1.3:8080' })
    expect(connection).toMatchObject({ client: CLIENT, virtual: '10.0.0.1:80' })
    expect(sent?.changes).toContainEqual({ field: 'ipv4.destination', from: '192.168.1.254', to: '10.9.0.1' })
    expect(stage.outbound(reset)).toMatchObject({ kind: 'rewrite', destination: '192.168.1.3:8080' })

    // The client comes again from the same port: another connection, on another port of the director's.
    stage.inbound(SYN)
    const answer = tcp4({ ...back, flags: 'FA' })
    expect(explained(answer, { hook: 'outbound' }).verdict).toMatchObject({
      kind: 'accept',
      reason: 'no-connection',
    })
    expect(stage.outbound(answer)).toMatchObject({ kind: 'accept', reason: 'no-connection' })
  })
})
