import { beforeEach, describe, expect, it } from 'vitest'
import { FLAG } from '../../lib/conn/layout.ts'
import type { ServiceSettings } from '../../lib/service/virtual-service.ts'
import { udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'udp:10.0.0.1:53'
const SERVER = '192.168.1.1:53'
const CLIENT = '10.9.0.1:3000'

let stage: Stage
beforeEach(() => {
  let turn = 0
  // Steps of the golden ratio leave no gap: in two minutes every bucket is visited.
  stage = new Stage({ connectionLimit: 128, random: () => (turn++ * 0.618_033_988_75) % 1 })
  stage.director.timeouts = { tcp: 0, tcpFin: 0, udp: 1 }
})

function bindClient(settings: Partial<ServiceSettings>): void {
  const persistence = { timeoutSec: 1000, granularity: -1, engine: null }
  stage.service(SERVICE, { persistence, ...settings })
  stage.destination(SERVICE, SERVER)
  stage.inbound(udp4({ source: CLIENT, destination: '10.0.0.1:53' }))
}

/** With `drop_entry` on, once nothing uses the template any more. */
function passUnderAttack(): void {
  stage.passTime(5000)
  expect(templates()).toHaveLength(1)
  stage.director.knobs.drop_entry = 3
  for (let second = 0; second < 120; second++) stage.passTime(1000)
}

const templates = () => stage.connections.filter(({ flags }) => flags & FLAG.template)

describe('drop_entry', () => {
  it('forgets a client that nobody ever answered', () => {
    bindClient({})
    passUnderAttack()
    expect(stage.connections).toEqual([])
  })

  it('keeps a client that was answered', () => {
    bindClient({})
    stage.outbound(udp4({ source: SERVER, destination: CLIENT }))
    passUnderAttack()
    expect(templates()).toHaveLength(1)
  })

  it('keeps a client of one-packet scheduling, whose answers nobody waits for', () => {
    bindClient({ onePacket: true })
    passUnderAttack()
    expect(templates()).toHaveLength(1)
  })

  it('takes the client’s template with its last connection, unless it was answered', () => {
    stage.director.timeouts = { tcp: 0, tcpFin: 0, udp: 900 }
    bindClient({})
    stage.passTime(61_000)
    stage.director.knobs.drop_entry = 3
    for (let second = 0; second < 120; second++) stage.passTime(1000)
    expect(stage.connections).toEqual([])
  })
})
