/** Knobs whose effect no other test is about. */

import { describe, expect, it } from 'vitest'
import { tcp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const WEB = 'tcp:10.0.0.1:80'
const SYN = 'S'

describe('amemthresh', () => {
  it.each([
    [1024, 1],
    [4096, 2],
  ])('of %i pages, while 2048 are free, has an automatic mode at %i', (amemthresh, mode) => {
    const stage = new Stage({ availablePages: () => 2048 })
    Object.assign(stage.director.knobs, { amemthresh, drop_packet: 1 })
    stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80')
    stage.passTime(1000)
    expect(stage.director.knobs.drop_packet).toBe(mode)
    // Where memory is short, one in amemthresh / (amemthresh - free) is given up: every second.
    const outcomes = ['10.9.0.1:3000', '10.9.0.1:3001', '10.9.0.1:3002', '10.9.0.1:3003'].map(
      (source) => stage.inbound(tcp4({ source, destination: '10.0.0.1:80', flags: SYN })).kind,
    )
    expect(outcomes).toEqual(mode === 1 ? Array(4).fill('rewrite') : ['rewrite', 'drop', 'rewrite', 'drop'])
  })
})

describe('run_estimation', () => {
  it.each([
    [1, 1],
    [0, 0],
  ])('of %i shows, after two seconds, %i of one connection', (run_estimation, shown) => {
    const stage = new Stage()
    Object.assign(stage.director.knobs, { run_estimation })
    const service = stage.service(WEB)
    stage.destination(WEB, '192.168.1.1:80')
    stage.inbound(tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: SYN }))
    stage.passTime(2000)
    expect(service.counters.shown().connections).toBe(shown)
    expect(stage.director.totals.shown().connections).toBe(shown)
  })
})
