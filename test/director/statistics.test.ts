import { beforeEach, describe, expect, it } from 'vitest'
import type { Counts } from '../../lib/service/counters.ts'
import { tcp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const A = '192.168.1.1:80'
const NOTHING: Counts = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

let stage: Stage
beforeEach(() => {
  stage = new Stage()
})

const request = (payloadBytes: number, flags = 'A') =>
  stage.inbound(
    tcp4({
      source: '10.9.0.1:3000',
      destination: '10.0.0.1:80',
      flags,
      payload: new Uint8Array(payloadBytes),
    }),
  )
const reply = (payloadBytes: number) =>
  stage.outbound(tcp4({ source: A, destination: '10.9.0.1:3000', payload: new Uint8Array(payloadBytes) }))

describe('statistics', () => {
  it('are kept of the destination, its service and the whole, and shown at the snapshot every 2 s', () => {
    const service = stage.service(WEB)
    const destination = stage.destination(WEB, A)
    request(0, 'S')
    request(100)
    reply(1000)
    const expected = { connections: 1, inPackets: 2, outPackets: 1, inBytes: 40 + 140, outBytes: 1040 }
    const all = [destination.counters, service.counters, stage.director.totals]
    for (const counters of all) expect(counters.shown()).toEqual(NOTHING)
    stage.passTime(1999)
    for (const counters of all) expect(counters.shown()).toEqual(NOTHING)
    stage.passTime(1)
    for (const counters of all) expect(counters.shown()).toEqual(expected)
    request(0)
    for (const counters of all) expect(counters.shown()).toEqual(expected)
  })

  it('count IP lengths: in as received, out after rewriting, never the tunnel’s header', () => {
    stage.service(WEB)
    const destination = stage.destination(WEB, A, { method: 'ipip' })
    request(10, 'S')
    expect(destination.counters.current()).toMatchObject({ inPackets: 1, inBytes: 50 })
  })

  it('of a packet that finds no destination are none', () => {
    const service = stage.service(WEB)
    request(0, 'S')
    expect(service.counters.current()).toEqual(NOTHING)
    expect(stage.director.totals.current()).toEqual(NOTHING)
  })

  it('estimate rates as the kernel does: 100 packets in one period, then silence', () => {
    stage.service(WEB)
    const destination = stage.destination(WEB, A)
    request(60, 'S')
    for (let packet = 1; packet < 100; packet++) request(60)
    const shown = Array.from({ length: 12 }, () => {
      stage.passTime(2000)
      return destination.counters.rates()
    })
    expect(shown.map(({ inPackets }) => inPackets)).toEqual([12, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1])
    expect(shown.map(({ inBytes }) => inBytes)).toEqual([
      1250, 937, 703, 527, 395, 297, 222, 167, 125, 94, 70, 53,
    ])
  })

  it('take one snapshot for a stall of many periods, and the next in step again', () => {
    stage.service(WEB)
    const destination = stage.destination(WEB, A)
    request(60, 'S')
    for (let packet = 1; packet < 100; packet++) request(60)
    const rate = () => destination.counters.rates().inPackets
    stage.passTime(10_500)
    expect(rate()).toBe(12)
    stage.passTime(1)
    stage.passTime(1498)
    expect(rate()).toBe(12)
    stage.passTime(1)
    expect(rate()).toBe(9)
  })

  it('of a removed destination stand still', () => {
    stage.service(WEB)
    const destination = stage.destination(WEB, A)
    request(0, 'S')
    for (let packet = 1; packet < 100; packet++) request(0)
    stage.passTime(2000)
    stage.remove(WEB, A)
    request(0)
    reply(0)
    stage.passTime(4000)
    expect(destination.counters.current()).toMatchObject({ inPackets: 100, outPackets: 0 })
    expect(destination.counters.rates().inPackets).toBe(12)
  })
})
