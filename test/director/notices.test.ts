import { describe, expect, it } from 'vitest'
import { tcp4, tcp6, udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const SYN = tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S' })

function listening(): { stage: Stage; heard: string[] } {
  const heard: string[] = []
  return { stage: new Stage({ notice: (text) => heard.push(text) }), heard }
}

describe('what the kernel would write to its log', () => {
  it('when a scheduler finds nobody', () => {
    const { stage, heard } = listening()
    stage.service('tcp:10.0.0.1:80')
    stage.service('tcp:[fd00::1]:80', { scheduler: 'wlc' })
    stage.service('fwmark:10', { scheduler: 'sh' })
    stage.service('udp:10.0.0.1:53', { scheduler: 'none' })
    stage.inbound(SYN)
    stage.inbound(tcp6({ source: '[fd09::1]:3000', destination: '[fd00::1]:80', flags: 'S' }))
    stage.inbound(SYN, { mark: 10 })
    stage.inbound(udp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:53' }))
    expect(heard).toEqual([
      'rr: TCP 10.0.0.1:80 - no destination available',
      'wlc: TCP [fd00::1]:80 - no destination available',
      'sh: FWM 10 0x0000000A - no destination available',
      'none: UDP 10.0.0.1:53 - no destination available',
    ])
  })

  it('when wrr finds all of them full', () => {
    const { stage, heard } = listening()
    stage.service('tcp:10.0.0.1:80', { scheduler: 'wrr' })
    stage.destination('tcp:10.0.0.1:80', '192.168.1.1:80', { upperThreshold: 1 }).isOverloaded = true
    stage.inbound(SYN)
    expect(heard).toEqual([
      'wrr: TCP 10.0.0.1:80 - no destination available: all destinations are overloaded',
    ])
  })

  it('when a service on port 0 is not persistent', () => {
    const { stage, heard } = listening()
    stage.service('tcp:10.0.0.1:0')
    stage.inbound(SYN)
    expect(heard).toEqual([
      'Schedule: port zero only supported in persistent services, check your ipvs configuration',
    ])
  })

  it('ten times in five seconds at most', () => {
    const { stage, heard } = listening()
    stage.service('tcp:10.0.0.1:80')
    for (let packet = 0; packet < 100; packet++) stage.inbound(SYN)
    expect(heard).toHaveLength(10)
    stage.passTime(5000)
    for (let packet = 0; packet < 100; packet++) stage.inbound(SYN)
    expect(heard).toHaveLength(20)
  })
})
